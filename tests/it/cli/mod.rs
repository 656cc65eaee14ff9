//! The commands.

mod check;
mod demo;
mod going_on;
mod healthcheck;
mod history;
mod replay;
mod requests;
mod retry;
mod rights;
mod trying;
