//! Runs JavaScript: the libraries that NocoBase evaluates expressions and queries with, and the scripts of
//! script nodes, in QuickJS on threads of their own. Whatever the code does, it costs the job that it belongs to
//! and nothing else, and nothing of it is left for the next one.

#[cfg(not(feature = "js"))]
mod absent;
#[cfg(feature = "js")]
mod crew;
#[cfg(feature = "js")]
mod modules;
#[cfg(feature = "js")]
mod pool;
#[cfg(feature = "js")]
mod realm;
#[cfg(feature = "js")]
mod sandbox;
#[cfg(feature = "js")]
mod value;
#[cfg(feature = "js")]
mod words;

use std::path::PathBuf;
use std::time::Duration;

#[cfg(not(feature = "js"))]
pub use absent::Pool;
#[cfg(feature = "js")]
pub use pool::Pool;

use crate::expr::{Thrown, Value};

/// Limits of what runs in JavaScript.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many expressions and queries run at a time.
    pub evaluators: usize,
    /// How many scripts run at a time.
    pub scripts: usize,
    /// How long an expression or a query may take.
    pub expression_time: Duration,
    /// How long a script may take whose node sets no timeout, or a longer one.
    pub script_time: Duration,
    /// The modules that scripts may load.
    pub modules: ModuleSetting,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            evaluators: cores.clamp(2, 4),
            scripts: 8,
            expression_time: Duration::from_secs(5),
            script_time: Duration::from_secs(60),
            modules: ModuleSetting::default(),
        }
    }
}

/// The modules that scripts may load with `require`.
#[derive(Clone, Debug, Default)]
pub struct ModuleSetting {
    /// Their names as scripts ask for them (`WORKFLOW_SCRIPT_MODULES`). With none, scripts run as in NocoBase's
    /// sandbox; with some, as in its Node.js.
    pub names: Vec<String>,
    /// Folders of npm packages. Paths among the names start where the first of them is.
    pub folders: Vec<PathBuf>,
}

impl ModuleSetting {
    /// Why a module that a script asks for cannot be had, where that is known beforehand.
    pub fn lacks(&self, request: &str) -> Option<String> {
        #[cfg(feature = "js")]
        return modules::lacks(&self.names, &self.folders, request);
        #[cfg(not(feature = "js"))]
        return Some(format!("module \"{request}\" needs JavaScript"));
    }
}

/// Libraries that are loaded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// math.js and formula.js.
    Calculation,
    /// jmespath, jsonata and jsonpath-plus.
    Query,
}

/// An engine of the json-query node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryEngine {
    JmesPath,
    JsonPathPlus,
    Jsonata,
}

/// A query of the json-query node.
#[derive(Debug)]
pub struct Query {
    pub engine: QueryEngine,
    pub expression: Value,
    pub data: Value,
}

/// What a library threw for a query.
#[derive(Debug)]
pub struct QueryFault {
    pub thrown: Thrown,
    /// The call stack as the engine tells it; empty for what is no error.
    pub stack: String,
}

impl From<Thrown> for QueryFault {
    fn from(thrown: Thrown) -> Self {
        Self { thrown, stack: String::new() }
    }
}

/// The content of a script node, about to run.
#[derive(Debug)]
pub struct Script {
    pub source: String,
    /// The arguments: a JSON object.
    pub arguments: String,
    /// The node's own timeout.
    pub timeout: Option<Duration>,
    /// The run of the node, as `Context::effect_key` names it: what it writes to its console is told under this name.
    pub run: String,
}
