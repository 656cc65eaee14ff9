//! NocoBase's data model: collections, their fields and associations, and SQL on user tables. Whatever talks
//! to the database takes any sea-orm connection, so that it runs inside a transaction as well as on the pool.

pub mod aggregate;
pub mod association;
pub mod bind;
mod catalog;
mod definition;
pub mod error;
pub mod field;
mod file;
mod file_links;
pub mod filter;
pub mod find;
mod geometry;
mod include;
mod inspect;
mod join;
mod link;
mod name;
mod reader;
pub mod record;
mod rights;
pub mod row;
pub mod schema;
mod selection;
mod shape;
mod source;
pub mod statement;
mod storage;
mod stored_file;
mod url;
mod write;

pub use association::{Association, AssociationKind};
pub use catalog::Collections;
pub use field::{ColumnType, Field, FieldType};
pub use file_links::FileLinks;
pub use filter::Filter;
pub use find::{Find, Sort};
pub use reader::Reader;
pub use record::{Linked, Record};
pub use rights::Lack;
pub use schema::Schema;
pub use shape::{Collection, TableName};
pub use source::{SourceError, Sources, backend as source_backend};
pub use storage::Storage;
pub use stored_file::StoredFile;
pub use write::{Change, NO_FILTER, ROLES, Writer, has_roles, path_collection};

pub use crate::store::notification::{Channel, InAppMessage, Notifications, SendLog};
pub use crate::store::{Executor, Transaction};
