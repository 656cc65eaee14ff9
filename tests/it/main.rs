//! The integration tests: a real server, real databases, cases recorded from a running NocoBase. One binary,
//! so that it links once.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test fails by panicking, and has clocks and tasks of its own"
)]
// A test on several databases at the same time is a future of futures, deeper than the compiler looks by itself.
#![recursion_limit = "256"]
#![expect(unreachable_pub, reason = "nobody is outside of this program")]

mod apps;
mod cli;
mod collection;
mod collections;
mod conformance;
mod databases;
mod documents;
mod echo;
mod engine;
mod fixture;
mod http;
mod layers;
mod node;
mod process;
mod queue;
mod raw;
mod records;
mod rows;
mod script;
mod server;
mod store;
mod wait;
mod webhook;
