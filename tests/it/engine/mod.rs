//! Executions: their way, their end, and what survives.

mod endings;
mod flow;
mod handover;
mod lifecycle;
mod survival;
