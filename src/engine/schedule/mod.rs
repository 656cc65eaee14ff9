//! When executions run: which ones run here, and which of those that wait come next.

pub mod feeder;
pub mod pickup;
pub mod running;
pub mod workers;
