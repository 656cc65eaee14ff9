//! Webhooks whose requests somebody waits for.

use entity::{Names, Table};

use crate::{
    column::{Kind, column},
    creation::Creation,
    definition::Definition,
};

/// Until `ends_at`, in milliseconds since 1970, the bodies of all requests for a workflow are kept. A few rows at most.
const LISTENING: Definition = Definition {
    table: Table::Listening,
    columns: &[
        column("id", Kind::BigInt).primary_key(),
        column("workflow_key", Kind::LongText).not_null(),
        column("ends_at", Kind::BigInt).not_null(),
    ],
    indexes: &[],
};

pub(crate) fn migration(names: Names) -> Creation {
    Creation::new(file!(), &[LISTENING], names)
}
