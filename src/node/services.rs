//! What nodes use besides the execution they belong to.

/// Clients and pools that all nodes of all executions share. `App` makes them once from the configuration.
#[derive(Default)]
pub struct Services {}
