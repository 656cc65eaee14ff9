//! sidehook's own tables: running instances, and which execution belongs to which of them.

use entity::{Names, Table};

use crate::{
    column::{Kind, column},
    creation::Creation,
    definition::{Definition, index},
};

/// `id` is a worker number (0 to 31) and is not given out by the database; times are milliseconds since
/// 1970 on the database's clock.
const INSTANCES: Definition = Definition {
    table: Table::Instances,
    columns: &[
        column("id", Kind::Integer).primary_key(),
        column("generation", Kind::BigInt).not_null(),
        column("token", Kind::Varchar(64)).not_null(),
        column("heartbeat_at", Kind::BigInt).not_null(),
        column("ids_used_until", Kind::BigInt).not_null(),
    ],
    indexes: &[],
};

/// An execution without an instance waits for a worker.
const LEASES: Definition = Definition {
    table: Table::Leases,
    columns: &[
        column("execution_id", Kind::BigInt).primary_key(),
        column("instance_id", Kind::Integer),
        column("generation", Kind::BigInt),
    ],
    indexes: &[index(&["instance_id", "execution_id"])],
};

pub(crate) fn migration(names: Names) -> Creation {
    Creation::new(file!(), &[INSTANCES, LEASES], names)
}
