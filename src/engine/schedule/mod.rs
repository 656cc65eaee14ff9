//! When executions run: which ones run here, and which of those that wait come next.

mod feeder;
mod pickup;
pub mod running;
pub mod workers;
