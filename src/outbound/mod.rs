//! What goes to others: HTTP, with the client of request nodes and NocoBase's own API through it, and mail. It knows
//! no nodes and no jobs; what is sent is made by whoever sends it.

mod answer;
mod cause;
mod client;
mod connect;
mod failure;
mod guard;
mod headers;
pub(crate) mod mail;
mod nocobase;
mod proxy;
mod redirect;
mod s3;
mod tunnel;

pub(crate) use answer::Answer;
pub(crate) use client::{Client, Settings, Timeout, certificates};
#[cfg(test)]
pub(crate) use connect::Resolve;
pub(crate) use failure::Failure;
pub(crate) use guard::Policy;
pub(crate) use headers::Headers;
pub(crate) use nocobase::NocoBase;
pub(crate) use proxy::{Exempt, Proxies, Proxy};
pub(crate) use redirect::Hop;
pub(crate) use s3::Bucket;
