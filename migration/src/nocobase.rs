//! The tables of NocoBase 2.2.15 that sidehook reads or writes, column by column as it creates them. It has
//! more; a stand-alone database does without those.

use entity::{Names, Table};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, RuntimeErr, sea_query::Query};

use crate::{
    MigrationError,
    column::{Column, DefaultValue, Kind, column},
    definition::{Definition, index, unique_index},
    present::has_table,
};

const STRING: Kind = Kind::Varchar(255);

const ID: Column = column("id", Kind::BigInt).primary_key();
const CREATED_AT: Column = column("createdAt", Kind::RowTime).not_null();
const UPDATED_AT: Column = column("updatedAt", Kind::RowTime).not_null();

/// All of them, in the order in which they are created.
pub(crate) const TABLES: [&Definition; 8] = [
    &WORKFLOWS,
    &FLOW_NODES,
    &EXECUTIONS,
    &JOBS,
    &WORKFLOW_STATS,
    &WORKFLOW_VERSION_STATS,
    &APPLICATION_PLUGINS,
    &ENVIRONMENT_VARIABLES,
];

const WORKFLOWS: Definition = Definition {
    table: Table::Workflows,
    columns: &[
        ID,
        CREATED_AT,
        UPDATED_AT,
        column("key", STRING),
        column("title", STRING),
        column("enabled", Kind::Boolean).default(DefaultValue::False),
        column("description", Kind::Text),
        column("type", STRING),
        column("triggerTitle", STRING),
        column("config", Kind::JsonBinary).default(DefaultValue::EmptyObject),
        column("invalid", Kind::Boolean).default(DefaultValue::False),
        column("executed", Kind::Integer).default(DefaultValue::Zero),
        column("allExecuted", Kind::Integer).default(DefaultValue::Zero),
        column("current", Kind::Boolean),
        column("sync", Kind::Boolean).default(DefaultValue::False),
        column("options", Kind::JsonBinary).default(DefaultValue::NoTimeout),
        column("createdById", Kind::BigInt),
        column("updatedById", Kind::BigInt),
    ],
    indexes: &[unique_index(&["key", "current"]), index(&["createdById"]), index(&["updatedById"])],
};

const FLOW_NODES: Definition = Definition {
    table: Table::FlowNodes,
    columns: &[
        ID,
        CREATED_AT,
        UPDATED_AT,
        column("key", STRING),
        column("title", STRING),
        column("upstreamId", Kind::BigInt),
        column("branchIndex", Kind::Integer),
        column("downstreamId", Kind::BigInt),
        column("type", STRING),
        column("config", Kind::Json).default(DefaultValue::EmptyObject),
        column("workflowId", Kind::BigInt),
    ],
    indexes: &[index(&["upstreamId"]), index(&["downstreamId"]), index(&["workflowId"])],
};

const EXECUTIONS: Definition = Definition {
    table: Table::Executions,
    columns: &[
        ID,
        column("createdAt", Kind::Time),
        UPDATED_AT,
        column("workflowId", Kind::BigInt),
        column("key", STRING),
        column("eventKey", STRING).unique(),
        column("context", Kind::Json),
        column("status", Kind::Integer),
        column("reason", STRING),
        column("dispatched", Kind::Boolean).default(DefaultValue::False),
        column("parentExecutionId", Kind::BigInt),
        column("stack", Kind::Json),
        column("output", Kind::Json),
        column("startedAt", Kind::Time),
        column("expiresAt", Kind::Time),
        column("manually", Kind::Boolean),
    ],
    indexes: &[
        index(&["dispatched", "id"]),
        index(&["status", "expiresAt"]),
        index(&["parentExecutionId", "status"]),
        index(&["workflowId"]),
    ],
};

const JOBS: Definition = Definition {
    table: Table::Jobs,
    columns: &[
        CREATED_AT,
        UPDATED_AT,
        ID,
        column("executionId", Kind::BigInt),
        column("nodeId", Kind::BigInt),
        column("nodeKey", STRING),
        column("upstreamId", Kind::BigInt),
        column("status", Kind::Integer),
        column("meta", Kind::Json),
        column("result", Kind::Json),
        column("startedAt", Kind::Time),
        column("log", Kind::Text),
    ],
    indexes: &[index(&["executionId"]), index(&["nodeId"]), index(&["upstreamId"])],
};

const WORKFLOW_STATS: Definition = Definition {
    table: Table::WorkflowStats,
    columns: &[
        CREATED_AT,
        UPDATED_AT,
        column("key", STRING).primary_key(),
        column("executed", Kind::BigInt).default(DefaultValue::Zero),
    ],
    indexes: &[],
};

/// The id is that of the workflow version.
const WORKFLOW_VERSION_STATS: Definition = Definition {
    table: Table::WorkflowVersionStats,
    columns: &[CREATED_AT, UPDATED_AT, ID, column("executed", Kind::BigInt).default(DefaultValue::Zero)],
    indexes: &[],
};

const APPLICATION_PLUGINS: Definition = Definition {
    table: Table::ApplicationPlugins,
    columns: &[
        column("id", Kind::AutoId).primary_key(),
        CREATED_AT,
        UPDATED_AT,
        column("name", STRING).unique(),
        column("packageName", STRING).unique(),
        column("version", STRING),
        column("enabled", Kind::Boolean),
        column("installed", Kind::Boolean),
        column("builtIn", Kind::Boolean),
        column("options", Kind::Json),
    ],
    indexes: &[],
};

const ENVIRONMENT_VARIABLES: Definition = Definition {
    table: Table::EnvironmentVariables,
    columns: &[
        CREATED_AT,
        UPDATED_AT,
        column("name", STRING).primary_key(),
        column("type", STRING),
        column("value", Kind::Text),
    ],
    indexes: &[],
};

/// An error that names the first of these tables that exists. To be asked only of a database in which
/// sidehook has not created them.
pub(crate) async fn refuse_if_present(
    connection: &DatabaseTransaction,
    names: &Names,
) -> Result<(), MigrationError> {
    for definition in TABLES {
        let table = names.table_name(definition.table);
        if has_table(connection, &table).await? {
            return Err(MigrationError::NocoBaseFound { table });
        }
    }
    Ok(())
}

/// An error where NocoBase's workflows cannot be read. They are asked for, not looked up: a search path may lead to
/// them in several steps.
pub(crate) async fn refuse_if_absent(
    connection: &DatabaseTransaction,
    names: &Names,
) -> Result<(), MigrationError> {
    let select =
        Query::select().column(names.column("id")).from(names.table(Table::Workflows)).limit(1).to_owned();
    match connection.query_all(&select).await {
        Ok(_) => Ok(()),
        Err(DbErr::Query(RuntimeErr::SqlxError(err))) if err.as_database_error().is_some() => {
            let reason = err.as_database_error().map(|answer| answer.message().to_owned());
            let table = names.table_name(Table::Workflows);
            Err(MigrationError::NoNocoBase { table, reason: reason.unwrap_or_default() })
        }
        Err(err) => Err(err.into()),
    }
}
