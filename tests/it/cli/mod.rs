//! The commands.

mod check;
mod demo;
mod going_on;
mod history;
mod replay;
mod requests;
mod retry;
mod rights;
mod trying;
