//! What goes on beside the runs: the sign of life, executions that others have left or ended, what NocoBase is to run.

pub(super) mod aborts;
pub(super) mod handover;
pub(super) mod heartbeat;
pub(super) mod pulse;
pub(super) mod takeover;
