//! What `sidehook check` asks a database: which it is, whether it has the tables and columns that the rest of
//! `store` reads and writes, and what may be created there.

use std::collections::BTreeSet;
use std::fmt;

use entity::Table;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Store;
use super::instance::is_gone;
use super::job;

/// NocoBase's tables with the fields that are read or written. A test takes all others away and runs
/// workflows.
pub const NEEDED: &[(Table, &[&str])] = &[
    (
        Table::Workflows,
        &["id", "updatedAt", "key", "title", "enabled", "type", "current", "sync", "config", "options"],
    ),
    (
        Table::FlowNodes,
        &["id", "key", "title", "upstreamId", "branchIndex", "downstreamId", "type", "config", "workflowId"],
    ),
    (
        Table::Executions,
        &[
            "id",
            "createdAt",
            "updatedAt",
            "workflowId",
            "key",
            "eventKey",
            "context",
            "status",
            "reason",
            "dispatched",
            "parentExecutionId",
            "stack",
            "output",
            "startedAt",
            "expiresAt",
        ],
    ),
    (Table::Jobs, &job::FIELDS),
    (Table::WorkflowStats, &["key", "executed", "createdAt", "updatedAt"]),
    (Table::WorkflowVersionStats, &["id", "executed", "createdAt", "updatedAt"]),
    (Table::ApplicationPlugins, &["name", "packageName", "createdAt", "version", "enabled"]),
    (Table::EnvironmentVariables, &["name", "type", "value"]),
];

/// Without it `$env` is empty: it belongs to a plugin that a NocoBase need not have.
const OPTIONAL: Table = Table::EnvironmentVariables;

/// A table that is not as it is needed.
#[derive(Debug, PartialEq, Eq)]
pub struct Gap {
    pub table: Table,
    /// What the table is called here.
    pub name: String,
    /// The columns that it lacks; none when there is no such table.
    pub columns: Vec<String>,
}

impl Gap {
    /// Whether sidehook can serve all the same.
    pub fn is_optional(&self) -> bool {
        self.table == OPTIONAL
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.columns.as_slice() {
            [] => write!(f, "there is no table {}", self.name),
            [column] => write!(f, "the table {} has no column {column}", self.name),
            columns => write!(f, "the table {} has no columns {}", self.name, columns.join(", ")),
        }
    }
}

/// The row of NocoBase's workflow plugin.
#[derive(Debug, PartialEq, Eq)]
pub struct WorkflowPlugin {
    pub version: Option<String>,
    pub is_enabled: bool,
}

impl Store {
    /// Such as `PostgreSQL 15.13`.
    pub async fn database_version(&self) -> Result<String, DbErr> {
        let (kind, sql) = match self.codec.backend() {
            DbBackend::Postgres => ("PostgreSQL", "SHOW server_version"),
            DbBackend::MySql => ("MySQL", "SELECT VERSION()"),
            _ => ("SQLite", "SELECT sqlite_version()"),
        };
        let row = self.db.query_one_raw(Statement::from_string(self.codec.backend(), sql)).await?;
        let text: String = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        let kind = if text.contains("MariaDB") { "MariaDB" } else { kind };
        // Behind the number comes what the packager has to say.
        let number = text.split([' ', '-']).next().unwrap_or_default();
        Ok(format!("{kind} {number}"))
    }

    /// Whether the connection is encrypted, as the server sees it. An SQLite file has none.
    pub async fn is_encrypted(&self) -> Result<bool, DbErr> {
        let sql = match self.codec.backend() {
            DbBackend::Postgres => "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            DbBackend::MySql => "SHOW SESSION STATUS LIKE 'Ssl_cipher'",
            _ => return Ok(false),
        };
        let row = self.db.query_one_raw(Statement::from_string(self.codec.backend(), sql)).await?;
        let Some(row) = row else { return Ok(false) };
        match self.codec.backend() {
            DbBackend::Postgres => row.try_get_by_index(0),
            _ => Ok(!row.try_get_by_index::<String>(1)?.is_empty()),
        }
    }

    /// What NocoBase's tables lack; empty where all that is needed is there.
    pub async fn gaps(&self) -> Result<Vec<Gap>, DbErr> {
        let existing = self.existing_columns().await?;
        let gaps = NEEDED.iter().filter_map(|(table, fields)| {
            let name = self.names.table_name(*table);
            let own: Vec<&str> = existing
                .iter()
                .filter(|(table, _)| self.is_same_name(table, &name))
                .map(|(_, column)| column.as_str())
                .collect();
            let mut columns: Vec<String> =
                fields.iter().map(|field| self.names.column_name(field).into_owned()).collect();
            columns.retain(|column| !own.iter().any(|existing| self.is_same_name(existing, column)));
            let is_complete = columns.is_empty();
            let columns = if own.is_empty() { Vec::new() } else { columns };
            (!is_complete).then_some(Gap { table: *table, name, columns })
        });
        Ok(gaps.collect())
    }

    /// MySQL (where it is set up so) and SQLite don't tell upper from lower case in names.
    fn is_same_name(&self, a: &str, b: &str) -> bool {
        match self.codec.backend() {
            DbBackend::Postgres => a == b,
            _ => a.eq_ignore_ascii_case(b),
        }
    }

    /// The tables that are there.
    pub(super) async fn table_names(&self) -> Result<BTreeSet<String>, DbErr> {
        Ok(self.existing_columns().await?.into_iter().map(|(table, _)| table).collect())
    }

    /// The columns of all tables where NocoBase's are looked for, each with the name of its table.
    async fn existing_columns(&self) -> Result<Vec<(String, String)>, DbErr> {
        let backend = self.codec.backend();
        let statement = match backend {
            DbBackend::Postgres => Statement::from_sql_and_values(
                backend,
                "SELECT table_name::text, column_name::text FROM information_schema.columns
                WHERE table_schema = $1 OR ($1 IS NULL AND table_schema = ANY (current_schemas(false)))",
                [self.names.schema().map(str::to_owned).into()],
            ),
            DbBackend::MySql => Statement::from_string(
                backend,
                "SELECT CAST(table_name AS char), CAST(column_name AS char) FROM information_schema.columns
                WHERE table_schema = DATABASE()",
            ),
            _ => Statement::from_string(
                backend,
                "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
                WHERE t.type = 'table'",
            ),
        };
        let rows = self.db.query_all_raw(statement).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    /// Whether this user may create sidehook's own tables. On MySQL a right that comes by a role is not seen.
    pub async fn may_create_tables(&self) -> Result<bool, DbErr> {
        let backend = self.codec.backend();
        let statement = match backend {
            DbBackend::Postgres => Statement::from_sql_and_values(
                backend,
                "SELECT COALESCE(has_schema_privilege(COALESCE($1, current_schema()), 'CREATE'), false)",
                [self.names.schema().map(str::to_owned).into()],
            ),
            DbBackend::MySql => Statement::from_string(
                backend,
                "SELECT EXISTS (
                    SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'CREATE'
                ) OR EXISTS (
                    SELECT 1 FROM information_schema.schema_privileges
                    WHERE privilege_type = 'CREATE' AND DATABASE() LIKE table_schema
                )",
            ),
            // Whoever may write to the file may do anything to it.
            _ => return Ok(true),
        };
        let row = self.db.query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
    }

    /// `None` where the plugin has never been installed.
    pub async fn workflow_plugin(&self) -> Result<Option<WorkflowPlugin>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["version", "enabled"]);
        select
            .from(self.table(Table::ApplicationPlugins))
            .and_where(Expr::col(self.column("name")).eq("workflow"));
        let Some(row) = self.db.query_one(&select).await? else { return Ok(None) };
        let enabled: Option<bool> = row.try_get_by_index(1)?;
        Ok(Some(WorkflowPlugin { version: row.try_get_by_index(0)?, is_enabled: enabled == Some(true) }))
    }

    /// The numbers of the instances that are alive.
    pub async fn instances_in_use(&self) -> Result<Vec<i32>, DbErr> {
        let (now, instances) = self.instances().await?;
        Ok(instances.into_iter().filter(|known| !is_gone(known, now)).map(|known| known.id).collect())
    }
}
