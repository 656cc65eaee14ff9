//! JavaScript: expressions, queries and scripts.

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
    /// `WORKFLOW_SCRIPT_MODULES` names modules, which sidehook does not have for scripts.
    pub expects_modules: bool,
}

impl JavaScript {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            expression_timeout: reader.duration("SIDEHOOK_EXPRESSION_TIMEOUT", Duration::from_secs(5)),
            script_timeout: reader.duration("SIDEHOOK_SCRIPT_TIMEOUT", Duration::from_secs(60)),
            script_concurrency: reader
                .with("WORKFLOW_SCRIPT_WORKER_CONCURRENCY", "a number of scripts", |text| text.parse().ok())
                .filter(|scripts| *scripts > 0),
            expects_modules: reader
                .text("WORKFLOW_SCRIPT_MODULES")
                .is_some_and(|names| names.split(',').any(|name| !name.is_empty())),
        }
    }
}
