//! Packages below NocoBase's `node_modules`: which file a `require` means, by the rules of Node.js, and its text.
//! Nothing is read that does not lie below those folders after all symbolic links, nor what is too large.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::exports;
use super::normal::normal;

/// The largest file of a package.
const LARGEST_FILE: u64 = 4 << 20;
/// So many bytes of files are kept; when there are more, all are read anew.
const KEPT: usize = 32 << 20;
/// How many folders up from a file packages are looked for.
const DEEPEST: usize = 64;

/// Folders of packages, in the order in which packages are looked for. A file is known by the number of its folder
/// and its path below it: `0/lodash/lodash.js`.
pub(super) struct Folders {
    folders: Vec<PathBuf>,
    kept: Mutex<HashMap<PathBuf, Kept>>,
}

struct Kept {
    changed: Option<SystemTime>,
    text: Arc<str>,
}

impl Folders {
    pub(super) fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, kept: Mutex::default() }
    }

    /// A package, or a file of one, that a script asks for.
    pub(super) fn package(&self, request: &str) -> Result<String, String> {
        let mut found = self.folders.iter().filter_map(|folder| in_folder(folder, request).transpose());
        found.next().unwrap_or_else(|| Err(self.missing(request))).and_then(|path| self.id(&path, request))
    }

    /// A path that a script asks for, from NocoBase's working folder: where the first `node_modules` is.
    pub(super) fn at_path(&self, request: &str) -> Result<String, String> {
        let base = self.folders.first().and_then(|folder| folder.parent());
        let path = base.map(|base| normal(&base.join(request)));
        let found = path.as_deref().and_then(file_or_folder);
        found.ok_or_else(|| self.missing(request)).and_then(|path| self.id(&path, request))
    }

    /// What `require(request)` means in a file of a package.
    pub(super) fn within(&self, file: &str, request: &str) -> Result<String, String> {
        let from = self.path(file).ok_or_else(|| self.missing(request))?;
        let mut around = from.parent();
        let path = if request.starts_with('.') {
            around.and_then(|folder| file_or_folder(&normal(&folder.join(request))))
        } else {
            let root = self.folders.iter().find(|root| from.starts_with(root));
            let mut found = None;
            for _ in 0..DEEPEST {
                let Some(folder) = around.filter(|folder| root.is_some_and(|root| folder.starts_with(root)))
                else {
                    break;
                };
                let packages = if folder.ends_with("node_modules") {
                    folder.to_owned()
                } else {
                    folder.join("node_modules")
                };
                found = in_folder(&packages, request)?;
                if found.is_some() {
                    break;
                }
                around = folder.parent();
            }
            if found.is_none() {
                return self.package(request);
            }
            found
        };
        path.ok_or_else(|| self.missing(request)).and_then(|path| self.id(&path, request))
    }

    /// The text of a file.
    pub(super) fn text(&self, file: &str) -> Result<Arc<str>, String> {
        let missing = || format!("Cannot find module '{file}'");
        let path = self.path(file).ok_or_else(missing)?;
        let about = fs::metadata(&path).map_err(|_| missing())?;
        if about.len() > LARGEST_FILE {
            return Err(format!(
                "{file} is larger than the {} MiB that a file may have here",
                LARGEST_FILE >> 20
            ));
        }
        let changed = about.modified().ok();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&path).filter(|known| known.changed == changed) {
            return Ok(known.text.clone());
        }
        let text: Arc<str> =
            fs::read_to_string(&path).map_err(|_| format!("{file} cannot be read as text"))?.into();
        if kept.values().map(|known| known.text.len()).sum::<usize>() + text.len() > KEPT {
            kept.clear();
        }
        kept.insert(path, Kept { changed, text: text.clone() });
        Ok(text)
    }

    fn path(&self, file: &str) -> Option<PathBuf> {
        let (number, below) = file.split_once('/')?;
        Some(self.folders.get(number.parse::<usize>().ok()?)?.join(below))
    }

    /// The name of a file that was found; it has to be in one of the folders, and for `require`.
    fn id(&self, path: &Path, request: &str) -> Result<String, String> {
        let outside =
            || format!("module \"{request}\" lies outside of the folders of SIDEHOOK_SCRIPT_NODE_MODULES");
        let real = fs::canonicalize(path).map_err(|_| self.missing(request))?;
        let is_inside =
            |folder: &PathBuf| fs::canonicalize(folder).is_ok_and(|folder| real.starts_with(folder));
        let place = |(number, folder): (usize, &PathBuf)| {
            let real_folder = fs::canonicalize(folder).ok()?;
            let below = real.strip_prefix(real_folder).ok()?;
            Some((number, below.to_string_lossy().into_owned()))
        };
        if !self.folders.iter().any(is_inside) {
            return Err(outside());
        }
        let (number, below) = self.folders.iter().enumerate().find_map(place).ok_or_else(outside)?;
        let is_module = below.ends_with(".mjs")
            || (below.ends_with(".js")
                && package_of(&real).is_some_and(|manifest| manifest["type"] == "module"));
        if is_module {
            return Err(format!(
                "module \"{request}\" is an ES module, which require does not load: take a version for CommonJS"
            ));
        }
        if !below.ends_with(".json") && !below.ends_with(".js") && !below.ends_with(".cjs") {
            return Err(format!("module \"{request}\" is no JavaScript: scripts load .js, .cjs and .json"));
        }
        Ok(format!("file:{number}/{below}"))
    }

    fn missing(&self, request: &str) -> String {
        let is_there = self.folders.iter().any(|folder| folder.is_dir());
        let why = if is_there {
            "it is in none of the folders of packages"
        } else {
            "there is no folder of packages: set SIDEHOOK_SCRIPT_NODE_MODULES to NocoBase's node_modules"
        };
        format!("Cannot find module '{request}': {why}")
    }
}

/// A package, or a file of one, in a folder of packages.
fn in_folder(packages: &Path, request: &str) -> Result<Option<PathBuf>, String> {
    let parts = if request.starts_with('@') { 2 } else { 1 };
    let mut names = request.split('/');
    let name: Vec<&str> = names.by_ref().take(parts).collect();
    let rest: Vec<&str> = names.filter(|part| !part.is_empty()).collect();
    if name.iter().chain(&rest).any(|part| part.is_empty() || part.starts_with("..") || part.contains('\\')) {
        return Err(format!("Cannot find module '{request}'"));
    }
    let package = packages.join(name.join("/"));
    if !package.is_dir() {
        return Ok(None);
    }
    let manifest = manifest(&package);
    if let Some(exported) =
        manifest.as_ref().and_then(|manifest| manifest.get("exports")).filter(|it| !it.is_null())
    {
        let subpath = if rest.is_empty() { ".".to_owned() } else { format!("./{}", rest.join("/")) };
        let target = exports::target(exported, &subpath).map(|target| normal(&package.join(target)));
        return match target.filter(|target| target.is_file()) {
            Some(target) => Ok(Some(target)),
            None => Err(format!(
                "Package subpath '{subpath}' is not defined by \"exports\" in {}",
                name.join("/")
            )),
        };
    }
    Ok(if rest.is_empty() { folder(&package) } else { file_or_folder(&package.join(rest.join("/"))) })
}

fn file_or_folder(path: &Path) -> Option<PathBuf> {
    file(path).or_else(|| folder(path))
}

fn file(path: &Path) -> Option<PathBuf> {
    let with = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    [path.to_owned(), with(".js"), with(".json"), with(".cjs")]
        .into_iter()
        .find(|candidate| candidate.is_file())
}

/// The main file of a folder.
fn folder(path: &Path) -> Option<PathBuf> {
    let main = manifest(path).and_then(|manifest| manifest.get("main")?.as_str().map(str::to_owned));
    let main = main.map(|main| normal(&path.join(main)));
    main.and_then(|main| file(&main).or_else(|| file(&main.join("index"))))
        .or_else(|| file(&path.join("index")))
}

fn manifest(folder: &Path) -> Option<serde_json::Value> {
    let path = folder.join("package.json");
    let size = fs::metadata(&path).ok()?.len();
    (size <= LARGEST_FILE).then(|| serde_json::from_slice(&fs::read(&path).ok()?).ok())?
}

/// The package.json around a file.
fn package_of(file: &Path) -> Option<serde_json::Value> {
    file.ancestors().skip(1).take_while(|folder| !folder.ends_with("node_modules")).find_map(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of packages as `[path, text]`, in a folder that is removed at the end.
    fn packages(files: &[(&str, &str)]) -> (tempfile::TempDir, Folders) {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let folders =
            Folders::new(vec![root.path().join("node_modules"), root.path().join("more/node_modules")]);
        (root, folders)
    }

    #[test]
    fn files_are_found_as_node_finds_them() {
        let (_root, folders) = packages(&[
            ("node_modules/main/package.json", r#"{"main": "./lib/m"}"#),
            ("node_modules/main/lib/m.js", "1"),
            ("node_modules/index/index.js", "2"),
            ("node_modules/index/data.json", "{}"),
            ("node_modules/index/node_modules/main/index.js", "nested"),
            (
                "node_modules/@scope/exported/package.json",
                r#"{"exports": {".": {"import": "./e.mjs", "require": "./e.cjs"}}}"#,
            ),
            ("node_modules/@scope/exported/e.cjs", "3"),
            ("node_modules/@scope/exported/hidden.js", "4"),
            ("node_modules/module/package.json", r#"{"type": "module"}"#),
            ("node_modules/module/index.js", "5"),
            ("more/node_modules/other/index.js", "6"),
        ]);
        let cases = [
            ("main", Ok("file:0/main/lib/m.js")),
            ("main/lib/m", Ok("file:0/main/lib/m.js")),
            ("index", Ok("file:0/index/index.js")),
            ("index/data", Ok("file:0/index/data.json")),
            ("@scope/exported", Ok("file:0/@scope/exported/e.cjs")),
            ("@scope/exported/hidden.js", Err("is not defined by \"exports\"")),
            ("module", Err("is an ES module")),
            ("other", Ok("file:1/other/index.js")),
            ("nope", Err("Cannot find module 'nope'")),
            ("index/../main", Err("Cannot find module")),
        ];
        for (request, expected) in cases {
            match (folders.package(request), expected) {
                (Ok(id), Ok(expected)) => assert_eq!(id, expected, "{request}"),
                (Err(text), Err(expected)) => assert!(text.contains(expected), "{request}: {text}"),
                (found, expected) => panic!("{request}: {found:?}, not {expected:?}"),
            }
        }
        assert_eq!(
            folders.within("0/index/index.js", "main").as_deref(),
            Ok("file:0/index/node_modules/main/index.js")
        );
        assert_eq!(folders.within("0/main/lib/m.js", "other").as_deref(), Ok("file:1/other/index.js"));
        assert_eq!(folders.within("0/main/lib/m.js", "../../index").as_deref(), Ok("file:0/index/index.js"));
        assert_eq!(folders.at_path("./more/node_modules/other").as_deref(), Ok("file:1/other/index.js"));
    }

    #[test]
    fn nothing_outside_is_reachable() {
        let (root, folders) = packages(&[
            ("secret.js", "s"),
            ("node_modules/a/index.js", "1"),
            ("node_modules/b/package.json", r#"{"main": "../../secret.js"}"#),
            ("node_modules/b/index.js", "2"),
            ("node_modules/d/package.json", r#"{"exports": "./../../secret.js"}"#),
            ("node_modules/d/index.js", "2"),
        ]);
        std::os::unix::fs::symlink(root.path().join("secret.js"), root.path().join("node_modules/a/link.js"))
            .expect("a link");
        std::os::unix::fs::symlink(root.path(), root.path().join("node_modules/c")).expect("a link");
        for (outcome, what) in [
            (folders.package("a/link.js"), "a link to a file"),
            (folders.package("b"), "a main outside"),
            (folders.package("c/secret.js"), "a link to a folder"),
            (folders.package("d"), "an export outside"),
            (folders.within("0/a/index.js", "../../secret"), "a path outside"),
            (folders.at_path("./secret.js"), "a path that a script names"),
            (folders.at_path("/etc/hostname"), "an absolute path"),
        ] {
            assert!(outcome.is_err(), "{what}: {outcome:?}");
        }
    }

    #[test]
    fn a_file_that_changes_is_read_anew_and_a_large_one_not_at_all() {
        let (root, folders) = packages(&[("node_modules/a/index.js", "1")]);
        let file = root.path().join("node_modules/a/index.js");
        assert_eq!(folders.text("0/a/index.js").as_deref(), Ok("1"));
        fs::write(&file, "2").expect("a file");
        let opened = fs::File::options().write(true).open(&file).expect("a file");
        opened.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
        assert_eq!(folders.text("0/a/index.js").as_deref(), Ok("2"));
        opened.set_len(LARGEST_FILE + 1).expect("a length");
        assert!(folders.text("0/a/index.js").is_err_and(|text| text.contains("is larger than")));
    }
}
