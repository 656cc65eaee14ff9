//! One server for the main application and its sub-applications, in all the ways in which NocoBase keeps these apart.

mod addresses;
mod commands;
mod life;
mod survival;
mod world;
