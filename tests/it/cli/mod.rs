//! The commands.

mod check;
mod demo;
mod history;
mod replay;
mod requests;
mod retry;
mod rights;
mod trying;
