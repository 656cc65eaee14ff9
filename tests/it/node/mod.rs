//! Nodes that need a server, a database or somebody to call.

mod data_nodes;
mod live;
pub mod mailer;
pub mod notification;
mod request;
pub mod sources;
mod sql;
mod storages;
mod time_zone;
mod transaction;
