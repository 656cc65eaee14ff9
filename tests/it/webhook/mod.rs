//! The trigger: what a sender may send, and what the execution gets of it.

mod answers;
mod asking;
mod checks;
mod compressed;
mod context;
mod duplicates;
mod logged;
mod multipart;
mod paths;
mod refusals;
mod senders;
mod trigger;
