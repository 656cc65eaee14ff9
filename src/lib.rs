//! sidehook: a webhook sidecar for NocoBase. `ARCHITECTURE.md` is the map of these modules. Public is what the command,
//! the tests, the benches and the fuzz targets use.

pub mod app;
pub mod apps;
pub mod cli;
pub mod clock;
pub mod collection;
pub mod config;
pub mod control;
pub mod expr;
pub mod http;
pub mod ids;
pub mod metrics;
pub mod node;
pub mod queue;
pub mod script;
pub mod store;
pub mod webhook;

mod address;
mod engine;
mod field;
mod measure;
mod outbound;
mod supervision;
mod telemetry;
mod trace;
