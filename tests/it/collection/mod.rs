//! Collections of NocoBase: what is read, written, linked and refused.

mod computed;
mod deployments;
mod filters;
mod linking;
mod making_up;
mod operands;
mod operators;
mod origin;
mod reading;
mod schema;
mod shop;
mod statements;
mod things;
mod trees;
mod users;
mod writing;
mod writing_times;
