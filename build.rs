//! Prepares the JavaScript libraries that expressions are evaluated with: installs the npm packages of
//! `src/script/js/package-lock.json` below `OUT_DIR` and packs the modules that each library needs into one
//! file. Without the feature `js` it does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use normal::normal;

#[path = "src/script/modules/normal.rs"]
mod normal;

/// The packs: their file names and the modules that are asked of them.
const PACKS: [(&str, &[&str]); 2] = [
    ("calculation.js", &["mathjs", "@formulajs/formulajs"]),
    ("query.js", &["jmespath", "jsonata", "jsonpath-plus"]),
];
/// The modules of Node.js for scripts, which load one by one: as JSON.
const MODULES: (&str, &[&str]) = (
    "modules.json",
    &["assert", "buffer", "events", "path-browserify", "querystring-es3", "string_decoder", "url", "util"],
);
/// Run as it is, because it changes the global object.
const LOCKDOWN: (&str, &str) = ("lockdown.js", "ses");
const MANIFESTS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/script/js");
    println!("cargo::rerun-if-env-changed=SIDEHOOK_JS_BUNDLE");
    if env::var_os("CARGO_FEATURE_JS").is_none() {
        return;
    }
    if let Err(fault) = prepare() {
        for line in fault.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn prepare() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?)
        .join("src/script/js");
    let root = match env::var_os("SIDEHOOK_JS_BUNDLE") {
        Some(folder) => given(Path::new(&folder), &source)?,
        None => install(&source, &out.join("npm"))?,
    };
    for (file, modules) in PACKS {
        write(&out.join(file), &Pack::of(&root, modules)?.text())?;
    }
    let (file, modules) = MODULES;
    write(&out.join(file), &Pack::of(&root, modules)?.json())?;
    let (file, module) = LOCKDOWN;
    let path = find(&root, &root, module).ok_or_else(|| format!("no module {module}"))?;
    write(&out.join(file), &read(&path)?)
}

/// A folder in which `npm ci` was run before, for builds without a network.
fn given(folder: &Path, source: &Path) -> Result<PathBuf, String> {
    let expected = read(&source.join("package-lock.json"))?;
    let found = fs::read_to_string(folder.join("package-lock.json")).unwrap_or_default();
    if found != expected || !folder.join("node_modules").is_dir() {
        return Err(format!(
            "SIDEHOOK_JS_BUNDLE is {}, which does not hold the packages of this version.\n\
             Copy src/script/js there and run `npm ci --ignore-scripts` in it.",
            folder.display()
        ));
    }
    Ok(folder.to_owned())
}

/// Runs `npm ci` in a folder, unless it has been run there with the same lock file.
fn install(source: &Path, folder: &Path) -> Result<PathBuf, String> {
    let done = folder.join("installed");
    let lock = read(&source.join("package-lock.json"))?;
    if fs::read_to_string(&done).is_ok_and(|installed| installed == lock) {
        return Ok(folder.to_owned());
    }
    fs::create_dir_all(folder).map_err(|err| format!("{}: {err}", folder.display()))?;
    for file in MANIFESTS {
        write(&folder.join(file), &read(&source.join(file))?)?;
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"])
        .current_dir(folder)
        .output()
        .map_err(|err| {
            format!(
                "npm cannot be run ({err}).\n\
                 sidehook evaluates expressions with the npm libraries that NocoBase uses: install Node.js 18 or\n\
                 later with npm (Debian: apt-get install npm), or set SIDEHOOK_JS_BUNDLE to a folder with the\n\
                 packages, or build without JavaScript: --no-default-features."
            )
        })?;
    if !output.status.success() {
        return Err(format!(
            "`npm ci` in {} failed:\n{}\n\
             Without a network, set SIDEHOOK_JS_BUNDLE to a copy of src/script/js in which it was run before.",
            folder.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    write(&done, &lock)?;
    Ok(folder.to_owned())
}

/// The CommonJS modules that some modules need, each once.
struct Pack {
    /// By the path below `node_modules`: the text, and what each `require` in it leads to.
    modules: BTreeMap<String, (String, BTreeMap<String, String>)>,
    /// By the name under which they are asked for.
    entries: BTreeMap<String, String>,
}

impl Pack {
    fn of(root: &Path, names: &[&str]) -> Result<Self, String> {
        let mut pack = Self { modules: BTreeMap::new(), entries: BTreeMap::new() };
        let mut waiting = Vec::new();
        for name in names {
            let path = find(root, root, name).ok_or_else(|| format!("no module {name}"))?;
            pack.entries.insert((*name).to_owned(), id(root, &path)?);
            waiting.push(path);
        }
        while let Some(path) = waiting.pop() {
            let id_of_module = id(root, &path)?;
            if pack.modules.contains_key(&id_of_module) {
                continue;
            }
            let text = read(&path)?;
            let mut leads = BTreeMap::new();
            for request in required(&text) {
                // Modules of Node.js itself, and names that a library has packed inside itself.
                let Some(target) = find(root, &path, &request) else { continue };
                leads.insert(request, id(root, &target)?);
                waiting.push(target);
            }
            pack.modules.insert(id_of_module, (text, leads));
        }
        Ok(pack)
    }

    /// `{"modules": {id: [text, leads]}, "entries": {name: id}}`
    fn json(&self) -> String {
        serde_json::json!({"modules": self.modules, "entries": self.entries}).to_string()
    }

    /// A script whose value is `[modules, entries]`; each module is `[function, leads]`. None of them is within brackets, which
    /// the engine reads to their end before it parses what is in them.
    fn text(&self) -> String {
        let mut out = String::from(
            "{ const modules = {}, add = (id, leads, run) => { modules[id] = [run, leads]; };\n",
        );
        for (id, (text, leads)) in &self.modules {
            // On a line of its own, because the last line of a module may be a comment.
            let _ =
                writeln!(out, "add({id:?}, {leads:?}, function (exports, require, module) {{{text}\n}});");
        }
        let _ = writeln!(out, "[modules, {:?}] }}", self.entries);
        out
    }
}

/// What a module asks for with `require("…")`.
fn required(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split("require(").skip(1) {
        let part = part.trim_start();
        let Some(quote) = part.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { continue };
        if let Some((name, rest)) = part[1..].split_once(quote)
            && rest.trim_start().starts_with(')')
        {
            found.insert(name.to_owned());
        }
    }
    found
}

/// The file that `require(request)` means in `from`, by the rules of Node.js as far as these packages use them.
fn find(root: &Path, from: &Path, request: &str) -> Option<PathBuf> {
    if request.starts_with('.') {
        return file_at(&normal(&from.parent()?.join(request)));
    }
    let names = if request.starts_with('@') { 2 } else { 1 };
    let mut parts = request.split('/');
    let package: PathBuf = parts.by_ref().take(names).collect();
    let rest: PathBuf = parts.collect();
    let folder = root.join("node_modules").join(package);
    if rest.as_os_str().is_empty() { main_of(&folder) } else { file_at(&folder.join(rest)) }
}

fn file_at(path: &Path) -> Option<PathBuf> {
    let with = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let candidates =
        [path.to_owned(), with(".js"), with(".cjs"), path.join("index.js"), path.join("index.cjs")];
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// The main module of a package: `exports` for `require`, else `main`.
fn main_of(folder: &Path) -> Option<PathBuf> {
    let manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("package.json")).ok()?).ok()?;
    let mut exported = match manifest.get("exports") {
        Some(exports) => exports.get(".").unwrap_or(exports),
        None => &serde_json::Value::Null,
    };
    while exported.is_object() {
        exported = exported.get("require").or_else(|| exported.get("default"))?;
    }
    let main = exported.as_str().or_else(|| manifest.get("main")?.as_str()).unwrap_or("index.js");
    file_at(&normal(&folder.join(main)))
}

fn id(root: &Path, path: &Path) -> Result<String, String> {
    let below = path.strip_prefix(root.join("node_modules")).map_err(|err| err.to_string())?;
    Ok(below.to_string_lossy().replace('\\', "/"))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|err| format!("{}: {err}", path.display()))
}
