//! The commands.

mod check;
mod demo;
