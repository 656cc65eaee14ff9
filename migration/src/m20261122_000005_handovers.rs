//! What lets an execution be handed over to NocoBase without getting lost on the way.

use entity::{Names, Table};

use crate::{
    column::{Kind, column},
    creation::Creation,
    definition::{Definition, index},
};

/// A pending job whose node NocoBase is to run. `due_at` says when NocoBase is told, or told again, in
/// milliseconds since 1970, and `attempts` how often it has been.
const HANDOVERS: Definition = Definition {
    table: Table::Handovers,
    columns: &[
        column("job_id", Kind::BigInt).primary_key(),
        column("execution_id", Kind::BigInt).not_null(),
        column("node_id", Kind::BigInt).not_null(),
        column("due_at", Kind::BigInt).not_null(),
        column("attempts", Kind::Integer).not_null(),
    ],
    indexes: &[index(&["execution_id"])],
};

pub(crate) fn migration(names: Names) -> Creation {
    Creation::new(file!(), &[HANDOVERS], names)
}
