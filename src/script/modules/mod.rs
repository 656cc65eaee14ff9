//! What `require` gives in script nodes (`WORKFLOW_SCRIPT_MODULES`): which module a name leads to, and its text.
//! Modules of Node.js are those that need no host: packages that `build.rs` has packed and our own files
//! (`js/modules/`), over functions in Rust (`native/`). All others are packages below NocoBase's `node_modules`.
//! What is kept of them is shared by all scripts; a script loads them anew.

mod builtin;
mod console;
mod exports;
mod folder;
pub(super) mod native;
mod normal;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

pub(super) use self::console::Console;
use self::folder::Folders;
use super::ModuleSetting;

/// What `build.rs` has packed.
const PACK: &str = include_str!(concat!(env!("OUT_DIR"), "/modules.json"));

/// All modules that scripts may get.
pub(super) struct Modules {
    names: Vec<String>,
    /// Read when the first script asks for a module.
    pack: OnceLock<Pack>,
    folders: Folders,
}

#[derive(Default, Deserialize)]
struct Pack {
    /// By the path below `node_modules`: the text, and what each `require` in it leads to.
    modules: BTreeMap<String, (String, BTreeMap<String, String>)>,
    /// By the name of the package.
    entries: BTreeMap<String, String>,
}

impl Modules {
    pub(super) fn new(setting: &ModuleSetting) -> Self {
        Self {
            names: setting.names.clone(),
            pack: OnceLock::new(),
            folders: Folders::new(setting.folders.clone()),
        }
    }

    /// Whether there are any: scripts run as NocoBase runs them with modules.
    pub(super) fn are_allowed(&self) -> bool {
        !self.names.is_empty()
    }

    /// The module that a script means with `require(request)`: its id, or the text of the error. NocoBase's setting
    /// has the name of a package, of a module of Node.js as it is asked for, or a path (`Vm.js`).
    pub(super) fn enter(&self, request: &str) -> Result<String, String> {
        let is_path = request.starts_with(['.', '/']);
        let parts = if request.starts_with('@') { 2 } else { 1 };
        let listed = if is_path {
            request.to_owned()
        } else {
            request.split('/').take(parts).collect::<Vec<_>>().join("/")
        };
        if !self.names.contains(&listed) {
            return Err(format!("module \"{request}\" not supported"));
        }
        if is_path { self.folders.at_path(request) } else { self.resolve("", request) }
    }

    /// The module that `require(request)` means within the module with this id.
    pub(super) fn resolve(&self, from: &str, request: &str) -> Result<String, String> {
        // Our own files name packed modules by their path, and packages by their name.
        if let Some(name) = request.strip_prefix("pack:") {
            let entry = self.pack().entries.get(name).cloned();
            return Ok(format!("pack:{}", entry.unwrap_or_else(|| name.to_owned())));
        }
        if let Some(packed) = from.strip_prefix("pack:")
            && let Some((_, leads)) = self.pack().modules.get(packed)
            && let Some(target) = leads.get(request)
        {
            return Ok(format!("pack:{target}"));
        }
        if let Some(name) = builtin::name(request) {
            return match builtin::text(name) {
                Some(_) => Ok(format!("node:{name}")),
                None => Err(builtin::needs_host(name)),
            };
        }
        match from.strip_prefix("file:") {
            Some(file) => self.folders.within(file, request),
            None => self.folders.package(request),
        }
    }

    /// The text of a module.
    pub(super) fn text(&self, id: &str) -> Result<Arc<str>, String> {
        let missing = || format!("Cannot find module '{id}'");
        match id.split_once(':') {
            Some(("node", name)) => builtin::text(name).map(Arc::from).ok_or_else(missing),
            Some(("pack", path)) => {
                self.pack().modules.get(path).map(|(text, _)| text.as_str().into()).ok_or_else(missing)
            }
            Some(("file", path)) => self.folders.text(path),
            _ => Err(missing()),
        }
    }

    fn pack(&self) -> &Pack {
        // A pack that cannot be read is a defect of the build, which the tests find.
        self.pack.get_or_init(|| serde_json::from_str(PACK).unwrap_or_default())
    }
}

/// Why a module that a script asks for cannot be had, as `sidehook check` says it beforehand.
pub(super) fn lacks(names: &[String], folders: &[PathBuf], request: &str) -> Option<String> {
    Modules::new(&ModuleSetting { names: names.to_vec(), folders: folders.to_vec() }).enter(request).err()
}
