//! What a webhook trigger makes of a request: whether it is let in, what its body says, which context its
//! execution gets, and what it is answered. Everything here is pure: no I/O, no HTTP types, no database.

pub mod admission;
pub mod body;
pub mod challenge;
pub mod cors;
pub mod delivery;
pub mod document;
pub mod filter;
pub mod head;
pub mod intake;
pub mod json_path;
pub mod logged;
pub mod memory;
pub mod path;
pub mod quota;
pub mod refusal;
pub mod reply;
pub mod response;
pub mod secret;
pub mod trigger;
mod whole;
mod withheld;
