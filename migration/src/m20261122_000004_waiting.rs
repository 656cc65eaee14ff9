//! What lets an execution wait without a process that remembers it: leases say where the run stands and
//! when it goes on, and timers keep the jobs that wait for a time.

use entity::{Names, Table};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, sea_query::Table as Statement};

use crate::{
    column::{Column, DefaultValue, Kind, column},
    definition::{Definition, index},
    present::has_column,
    step::{Migration, name_of},
};

/// `position` is JSON, and NULL while the execution has yet to begin. A lease without an instance is taken by
/// any of them once `due_at` has passed, in milliseconds since 1970.
const LEASE_COLUMNS: &[Column] = &[
    column("workflow_id", Kind::BigInt),
    column("position", Kind::Text),
    column("due_at", Kind::BigInt).not_null().default(DefaultValue::Zero),
];

/// What finds the oldest waiting executions of one workflow.
const LEASE_INDEX: Definition = Definition {
    table: Table::Leases,
    columns: &[],
    indexes: &[index(&["instance_id", "workflow_id", "due_at", "execution_id"])],
};

/// A pending job that waits for a time. Times are milliseconds since 1970; `result` is JSON.
const TIMERS: Definition = Definition {
    table: Table::Timers,
    columns: &[
        column("job_id", Kind::BigInt).primary_key(),
        column("execution_id", Kind::BigInt).not_null(),
        column("node_id", Kind::BigInt).not_null(),
        column("node_key", Kind::Varchar(255)).not_null(),
        column("upstream_id", Kind::BigInt),
        column("result", Kind::Text),
        column("created_at", Kind::BigInt).not_null(),
        column("due_at", Kind::BigInt).not_null(),
        column("is_visible", Kind::Boolean).not_null(),
    ],
    indexes: &[index(&["execution_id"])],
};

pub(crate) struct Waiting {
    names: Names,
}

impl Waiting {
    pub(crate) fn new(names: Names) -> Self {
        Self { names }
    }
}

#[async_trait::async_trait]
impl Migration for Waiting {
    fn name(&self) -> &'static str {
        name_of(file!())
    }

    async fn up(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        let (names, backend) = (&self.names, transaction.get_database_backend());
        for column in LEASE_COLUMNS {
            // MySQL commits each statement, so a migration cut short begins again with some of them there.
            if !has_column(transaction, &names.table_name(Table::Leases), column.field).await? {
                let mut alter = Statement::alter();
                alter.table(names.table(Table::Leases)).add_column(column.build(names, backend));
                transaction.execute(&alter).await?;
            }
        }
        LEASE_INDEX.create_indexes(transaction, names).await?;
        TIMERS.create(transaction, names).await
    }
}
