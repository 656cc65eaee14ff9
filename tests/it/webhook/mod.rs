//! The trigger: what a sender may send, and what the execution gets of it.

mod compressed;
mod multipart;
mod paths;
mod trigger;
