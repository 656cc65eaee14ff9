//! Rows as the databases keep them.

mod catalog;
mod codec;
mod environment;
mod names;
mod recorder;
