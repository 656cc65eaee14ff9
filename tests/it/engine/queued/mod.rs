//! What NocoBase has queued: rows as NocoBase writes them, and who runs them.

mod claims;
mod keeping;
mod recorded;
mod rows;
mod survival;
