//! sidehook: a webhook sidecar for NocoBase. `ARCHITECTURE.md` is the map of these modules.

pub mod address;
pub mod app;
pub mod cli;
pub mod clock;
pub mod collection;
pub mod config;
pub mod control;
pub mod engine;
pub mod expr;
pub mod field;
pub mod http;
pub mod ids;
pub mod measure;
pub mod metrics;
pub mod node;
pub mod outbound;
pub mod script;
pub mod store;
pub mod supervision;
pub mod telemetry;
pub mod trace;
pub mod webhook;
