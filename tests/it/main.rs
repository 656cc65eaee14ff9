//! The integration tests: a real server, real databases, cases recorded from a running NocoBase. One binary,
//! so that it links once.

mod conformance;
mod databases;
mod echo;
mod fixture;
mod server;
