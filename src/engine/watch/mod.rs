//! What goes on beside the runs: the sign of life, executions that others have left or ended, what NocoBase is to run.

pub mod aborts;
pub mod handover;
pub mod heartbeat;
pub mod pulse;
pub mod takeover;
