//! Rows as the databases keep them.

mod catalog;
mod codec;
mod connection;
mod environment;
pub mod fetch;
mod instance;
mod left_over;
mod names;
pub mod proxy;
mod recorder;
mod removal;
mod together;
mod turns;
pub mod waiting;
