//! What goes to others: HTTP, with the client of request nodes and NocoBase's own API through it, and mail. It knows
//! no nodes and no jobs; what is sent is made by whoever sends it.

mod answer;
mod client;
mod connect;
mod failure;
mod guard;
mod headers;
pub mod mail;
mod nocobase;
mod redirect;

pub use answer::Answer;
pub use client::{Client, Settings, Timeout, certificates};
pub use connect::Resolve;
pub use failure::Failure;
pub use guard::Policy;
pub use headers::Headers;
pub use nocobase::{ApiError, NocoBase};
pub use redirect::Hop;
