//! The integration tests: a real server, real databases, cases recorded from a running NocoBase. One binary,
//! so that it links once.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test fails by panicking, and has clocks and tasks of its own"
)]

mod conformance;
mod databases;
mod echo;
mod fixture;
mod server;
