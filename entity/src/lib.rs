//! Row shapes of NocoBase's workflow tables and of sidehook's own, the numbers and texts stored in them,
//! and the names they have in a deployment. There are no queries here: the statements are in the root
//! package's `store`, which selects every column under its snake_case name, so that one model reads rows
//! of a deployment with any `DB_UNDERSCORED`, `DB_TABLE_PREFIX` and `DB_SCHEMA`.

pub mod application_plugin;
pub mod collection;
pub mod environment_variable;
pub mod execution;
pub mod field;
pub mod flow_node;
pub mod handover;
pub mod instance;
pub mod job;
mod json_text;
pub mod lease;
mod names;
pub mod request;
pub mod status;
pub mod timer;
mod timestamp;
pub mod workflow;
pub mod workflow_stats;
pub mod workflow_version_stats;

pub use json_text::{JsonText, number_text, write_number};
pub use names::{Names, Table, snake_case};
pub use timestamp::Timestamp;
