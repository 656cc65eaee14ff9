//! Serving HTTP. Nothing outside this folder knows poem's types.

mod addresses;
mod body;
mod choice;
mod connection;
mod health;
mod limits;
mod manage;
mod metrics;
mod noted;
mod page;
mod peer;
mod readers;
mod replay;
mod replayer;
mod reply;
mod routes;
mod server;
mod shared;
mod strangers;
mod stream;
mod webhook;

pub use manage::{Manager, Replayed, Unreplayed};
pub use replay::{Replay, Sent, Told};
pub use replayer::Replayer;
pub use server::Server;
