//! What nodes use besides the execution they belong to.

use std::sync::Arc;

use crate::script::{Limits, Pool};

/// Clients and pools that all nodes of all executions share. `App` makes them once from the configuration.
pub struct Services {
    /// Runs JavaScript.
    pub scripts: Arc<Pool>,
}

impl Default for Services {
    fn default() -> Self {
        Self { scripts: Arc::new(Pool::new(Limits::default())) }
    }
}
