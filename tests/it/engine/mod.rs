//! Executions: their way, their end, and what survives.

mod cancelling;
mod endings;
mod flow;
mod handover;
mod instances;
mod large;
mod lifecycle;
mod queued;
mod running;
mod starting;
mod subflow;
mod survival;
