//! When executions run: which ones run here, and which of those that wait come next.

mod backlog;
pub(super) mod feeder;
pub(super) mod fetched;
pub(super) mod pickup;
mod queue;
pub(super) mod running;
pub(super) mod workers;
