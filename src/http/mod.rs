//! Serving HTTP. Nothing outside this folder knows poem's types.

mod arrival;
mod body;
mod connection;
mod health;
mod reply;
mod routes;
mod server;
mod shared;
mod stream;
mod webhook;

pub use server::Server;
