//! Writes records as NocoBase's repositories do (`packages/core/database/src/repository.ts`): values go through the
//! fields, nested ones into associated records, and what refers to deleted records follows their rules.
//!
//! Everything happens on the connection that is handed in, so that it is part of its transaction.

mod association;
mod between;
mod bulk;
mod change;
mod check;
mod column;
mod destroy;
mod error;
mod file;
mod formula;
mod generated;
mod guard;
mod instance;
mod json_text;
mod key_array;
mod many;
mod on_delete;
mod password;
mod pattern;
mod record;
mod rich_text;
mod rule;
mod save;
mod sequence;
mod tree;
mod user;
mod value;
mod writer;

pub use self::change::{Change, NO_FILTER};
pub use self::tree::path_collection;
pub use self::user::{ROLES, has_roles};
pub use self::writer::Writer;
