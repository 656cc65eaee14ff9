//! What a webhook trigger makes of a request: whether it is let in, what its body says, which context its
//! execution gets, and what it is answered. Everything here is pure: no I/O, no HTTP types, no database.

pub mod admission;
pub mod body;
pub mod config;
pub mod context;
mod media_type;
mod multipart;
pub mod path;
pub mod qs;
pub mod refusal;
pub mod reply;
