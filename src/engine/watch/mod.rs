//! What goes on beside the runs: the sign of life, executions that others have ended, what NocoBase is to run.

mod aborts;
pub mod handover;
mod heartbeat;
