//! The commands.

mod check;
mod check_data;
mod demo;
mod examples;
mod going_on;
mod healthcheck;
mod history;
mod import;
mod manual;
mod page;
mod queued;
mod replay;
mod requests;
mod retry;
mod rights;
mod self_test;
mod trying;
