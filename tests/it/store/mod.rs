//! Rows as the databases keep them.

mod catalog;
mod codec;
mod connection;
mod environment;
mod instance;
mod names;
mod proxy;
mod recorder;
