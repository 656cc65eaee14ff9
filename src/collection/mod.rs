//! NocoBase's data model: collections, their fields and associations, and SQL on user tables. Whatever talks
//! to the database takes any sea-orm connection, so that it runs inside a transaction as well as on the pool.

pub mod association;
mod catalog;
mod definition;
pub mod field;
mod link;
mod name;
pub mod schema;
pub mod storages;

pub use association::{Association, AssociationKind};
pub use catalog::Collections;
pub use field::{ColumnType, Field, FieldType};
pub use schema::{Collection, Schema, TableName};
