//! The request log.

use entity::{Names, Table};

use crate::{
    column::{Kind, column},
    creation::Creation,
    definition::Definition,
};

/// A request that a sender has sent. Times are milliseconds since 1970. There is no index beside the primary key, which
/// sorts by time: each would cost a part of every request, for the few who look at the log.
const REQUESTS: Definition = Definition {
    table: Table::Requests,
    columns: &[
        column("id", Kind::BigInt).primary_key(),
        column("received_at", Kind::BigInt).not_null(),
        column("workflow_key", Kind::LongText),
        column("workflow_id", Kind::BigInt),
        column("method", Kind::LongText).not_null(),
        column("path", Kind::LongText).not_null(),
        column("query", Kind::LongText).not_null(),
        column("headers", Kind::LongText).not_null(),
        column("content_type", Kind::LongText),
        column("body", Kind::LongText),
        column("body_encoding", Kind::LongText),
        column("body_size", Kind::BigInt).not_null(),
        column("body_sha256", Kind::LongText),
        column("peer", Kind::LongText),
        column("duration_ms", Kind::BigInt),
        column("status", Kind::Integer),
        column("is_admitted", Kind::Boolean).not_null(),
        column("reason", Kind::LongText),
        column("execution_id", Kind::BigInt),
        column("delivery_id", Kind::LongText),
        column("duplicate_of", Kind::BigInt),
        column("instance", Kind::Integer).not_null(),
    ],
    indexes: &[],
};

pub(crate) fn migration(names: Names) -> Creation {
    Creation::new(file!(), &[REQUESTS], names)
}
