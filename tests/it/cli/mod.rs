//! The commands.

mod check;
mod demo;
mod rights;
