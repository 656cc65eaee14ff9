//! Collections of NocoBase: what is read, written, linked and refused.

mod linking;
mod operators;
mod origin;
mod reading;
mod schema;
mod statements;
mod trees;
mod users;
mod writing;
