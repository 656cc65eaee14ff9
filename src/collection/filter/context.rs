//! What the parts of a filter are read with, and the columns that its names stand for.

use chrono::{DateTime, Utc};
use sea_orm::DbBackend;

use crate::collection::field::Field;
use crate::collection::schema::Schema;
use crate::collection::shape::Collection;
use crate::store::Codec;

/// What a filter is read with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub schema: &'a Schema,
    /// The collection that is filtered. Its name is the alias of its table in the statement.
    pub collection: &'a Collection,
    pub codec: &'a Codec,
    /// What `today` and the like are relative to.
    pub now: DateTime<Utc>,
}

impl Context<'_> {
    pub(super) fn backend(&self) -> DbBackend {
        self.codec.backend()
    }
}

/// The column that a name of the tree stands for.
pub(super) struct NamedColumn {
    pub alias: String,
    pub column: String,
    pub field: Option<Field>,
}
