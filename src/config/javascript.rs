//! JavaScript: expressions, queries and scripts.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct JavaScript {
    /// `SIDEHOOK_EXPRESSION_TIMEOUT`: how long an expression or a query may take.
    pub expression_timeout: Duration,
    /// `SIDEHOOK_SCRIPT_TIMEOUT`: how long a script may run whose node sets no timeout, or a longer one.
    pub script_timeout: Duration,
    /// `WORKFLOW_SCRIPT_WORKER_CONCURRENCY`: how many scripts run at a time.
    pub script_concurrency: Option<usize>,
    /// `WORKFLOW_SCRIPT_MODULES`: the modules that scripts may load.
    pub modules: Vec<String>,
    /// `SIDEHOOK_SCRIPT_NODE_MODULES`, else `NODE_MODULES_PATH`: folders of npm packages, between commas.
    pub node_modules: Vec<PathBuf>,
}

impl JavaScript {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            expression_timeout: reader.duration("SIDEHOOK_EXPRESSION_TIMEOUT", Duration::from_secs(5)),
            script_timeout: reader.duration("SIDEHOOK_SCRIPT_TIMEOUT", Duration::from_secs(60)),
            script_concurrency: reader
                .with("WORKFLOW_SCRIPT_WORKER_CONCURRENCY", "a number of scripts", |text| text.parse().ok())
                .filter(|scripts| *scripts > 0),
            modules: modules(reader),
            node_modules: node_modules(reader),
        }
    }
}

/// As NocoBase reads it: no space is taken off a name.
fn modules(reader: &mut Reader) -> Vec<String> {
    let names = reader.text("WORKFLOW_SCRIPT_MODULES").unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn node_modules(reader: &mut Reader) -> Vec<PathBuf> {
    let of_nocobase = reader.text("NODE_MODULES_PATH");
    let folders = reader.text("SIDEHOOK_SCRIPT_NODE_MODULES").or(of_nocobase);
    let folders = folders.unwrap_or_else(|| "node_modules".to_owned());
    folders.split(',').map(str::trim).filter(|folder| !folder.is_empty()).map(PathBuf::from).collect()
}
