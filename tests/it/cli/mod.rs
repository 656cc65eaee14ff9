//! The commands.

mod check;
mod demo;
mod history;
mod replay;
mod requests;
mod rights;
