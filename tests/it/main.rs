//! The integration tests: a real server, real databases, cases recorded from a running NocoBase. One binary,
//! so that it links once.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test fails by panicking, and has clocks and tasks of its own"
)]

mod catalog;
mod check;
mod codec;
mod collections;
mod conformance;
mod data_nodes;
mod databases;
mod demo;
mod echo;
mod environment;
mod examples;
mod fixture;
mod flow;
mod handover;
mod hostile;
mod layers;
mod libraries;
mod lifecycle;
mod linking;
mod multipart;
mod names;
mod operators;
mod paths;
mod process;
mod raw;
mod reading;
mod recorder;
mod records;
mod request;
mod rows;
mod schema;
mod server;
mod sql;
mod statements;
mod survival;
mod transaction;
mod trigger;
mod writing;
