//! The commands.

mod check;
mod demo;
mod history;
mod requests;
mod rights;
