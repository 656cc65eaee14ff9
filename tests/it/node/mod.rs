//! Nodes that need a server, a database or somebody to call.

mod data_nodes;
mod live;
pub mod mailer;
pub mod notification;
mod request;
mod sql;
mod time_zone;
mod transaction;
