//! Whether this user may do what sidehook does: with statements that change no row, which every database refuses
//! where a right is missing, and with an event that is written and taken back.

use std::fmt;

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Store;
use super::execution::NewExecution;
use super::fault::Fault;

/// A right on a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    Select,
    Insert,
    Update,
    Delete,
}

const READING: &[Right] = &[Right::Select];
/// Whether a row may be inserted is found out by a statement that reads the table, too.
const ADDING: &[Right] = &[Right::Select, Right::Insert];
const COUNTING: &[Right] = &[Right::Select, Right::Insert, Right::Update];
const ALL: &[Right] = &[Right::Select, Right::Insert, Right::Update, Right::Delete];

/// How long a text is, in bytes, of which SQLite cannot keep the pages in a small cache.
const SPILLED: usize = 256 << 10;
/// As SQLite has it unless told otherwise.
const DEFAULT_CACHE: &str = "PRAGMA cache_size = -2000";

/// A table with a column of it and the rights that are needed.
type Needed = (Table, &'static str, &'static [Right]);

/// What is always needed, as docs/database.md lists it.
const NEEDED: [Needed; 15] = [
    (Table::Workflows, "id", READING),
    (Table::FlowNodes, "id", READING),
    (Table::ApplicationPlugins, "name", READING),
    (Table::EnvironmentVariables, "name", READING),
    (Table::Executions, "id", ALL),
    (Table::Jobs, "id", ALL),
    (Table::WorkflowStats, "key", COUNTING),
    (Table::WorkflowVersionStats, "id", COUNTING),
    (Table::Instances, "id", COUNTING),
    (Table::Leases, "execution_id", ALL),
    (Table::Timers, "job_id", ALL),
    (Table::Handovers, "job_id", ALL),
    (Table::Requests, "id", ALL),
    (Table::Listening, "id", ALL),
    (Table::Settings, "name", ALL),
];

const FOR_NOTIFICATIONS: [Needed; 3] = [
    (Table::NotificationChannels, "name", READING),
    (Table::NotificationSendLogs, "id", ADDING),
    (Table::NotificationInAppMessages, "id", ADDING),
];

/// What data nodes and files that are sent need.
const FOR_NODES: [(Table, &[Right]); 6] = [
    (Table::Collections, READING),
    (Table::Fields, READING),
    (Table::DataSources, READING),
    (Table::DataSourcesCollections, READING),
    (Table::DataSourcesFields, READING),
    (Table::Storages, READING),
];

/// What a user lacks on a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingRights {
    pub table: Table,
    /// What the table is called here.
    pub name: String,
    pub rights: Vec<Right>,
}

/// What a database lets its user do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    /// A standby, or a file that may not be written.
    pub is_read_only: bool,
    pub missing: Vec<MissingRights>,
}

impl Permission {
    /// Whether the workflows or the plugins of NocoBase cannot be read.
    pub fn hides_workflows(&self) -> bool {
        let needed = [Table::Workflows, Table::FlowNodes, Table::ApplicationPlugins];
        self.missing.iter().any(|missing| needed.contains(&missing.table))
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        })
    }
}

impl MissingRights {
    /// Whether sidehook can serve all the same: without it `$env` is empty, or there is no request log.
    pub fn is_optional(&self) -> bool {
        matches!(
            self.table,
            Table::EnvironmentVariables | Table::Requests | Table::Listening | Table::Settings
        )
    }

    /// The statement that gives them.
    pub fn grant(&self, user: &str) -> String {
        grant(&listed(&self.rights), &self.name, user)
    }
}

/// Rights as GRANT takes them.
pub fn listed<'a>(rights: impl IntoIterator<Item = &'a Right>) -> String {
    rights.into_iter().map(Right::to_string).collect::<Vec<_>>().join(", ")
}

/// The statement that gives rights, which are [`listed`], on a table to a user; both names are quoted where they have to be.
pub fn grant(rights: &str, table: &str, user: &str) -> String {
    format!("GRANT {rights} ON {table} TO {user}")
}

impl Store {
    /// What is not allowed of all that sidehook does. Tables that are not there are passed over.
    pub async fn permission(&self) -> Result<Permission, DbErr> {
        let mut permission = Permission::default();
        for needed in NEEDED {
            self.look_for(needed, &mut permission).await?;
        }
        Ok(permission)
    }

    /// What is not allowed of what notification nodes do.
    pub async fn lacking_for_notifications(&self) -> Result<Vec<MissingRights>, DbErr> {
        let mut permission = Permission::default();
        for needed in FOR_NOTIFICATIONS {
            self.look_for(needed, &mut permission).await?;
        }
        Ok(permission.missing)
    }

    async fn look_for(
        &self,
        (table, column, rights): Needed,
        permission: &mut Permission,
    ) -> Result<(), DbErr> {
        // SQLite knows rights on the whole file only.
        let is_sqlite = self.codec.backend() == DbBackend::Sqlite;
        let rights = if is_sqlite && table != Table::Executions { READING } else { rights };
        let mut missing = Vec::new();
        for right in rights {
            match self.attempt(table, column, *right).await.map_err(|err| (Fault::of(&err), err)) {
                Ok(()) | Err((Fault::MissingTable | Fault::Busy | Fault::Race, _)) => {}
                Err((Fault::MissingRight, _)) => missing.push(*right),
                Err((Fault::ReadOnly, _)) => permission.is_read_only = true,
                Err((fault, err)) if fault.is_passing() => return Err(err),
                // Refused for its own sake, which comes after the rights.
                Err(_) => {}
            }
        }
        if !missing.is_empty() {
            let name = self.quoted_name(table);
            permission.missing.push(MissingRights { table, name, rights: missing });
        }
        Ok(())
    }

    /// The rights that sidehook needs on the tables that are there, by their names as GRANT takes them.
    pub async fn needed_rights(&self) -> Result<Vec<(String, &'static [Right])>, DbErr> {
        let there = self.table_names().await?;
        let instances = self.names.table_name(Table::Instances);
        let migrations = format!("{}migrations", instances.strip_suffix("instances").unwrap_or(&instances));
        let tried = NEEDED.into_iter().chain(FOR_NOTIFICATIONS).map(|(table, _, rights)| (table, rights));
        let all = tried
            .chain(FOR_NODES)
            .map(|(table, rights)| (self.quoted_name(table), self.names.table_name(table), rights));
        Ok(all
            .chain([(self.quoted(migrations.clone()), migrations, READING)])
            .filter(|(_, name, _)| there.contains(name))
            .map(|(quoted, _, rights)| (quoted, rights))
            .collect())
    }

    /// Does something to no row.
    async fn attempt(&self, table: Table, column: &str, right: Right) -> Result<(), DbErr> {
        let column = self.column(column);
        let never = || Expr::val(1).eq(0);
        let mut select = Query::select();
        select.column(column.clone()).from(self.table(table)).and_where(never());
        match right {
            Right::Select => self.db.query_all(&select).await.map(drop),
            Right::Insert => {
                let mut insert = Query::insert();
                insert.into_table(self.table(table)).columns([column]);
                insert.select_from(select).map_err(|err| DbErr::Custom(err.to_string()))?;
                self.db.execute(&insert).await.map(drop)
            }
            Right::Update => {
                let mut update = Query::update();
                update.table(self.table(table)).value(column.clone(), Expr::col(column));
                self.db.execute(update.and_where(never())).await.map(drop)
            }
            Right::Delete => {
                let mut delete = Query::delete();
                self.db.execute(delete.from_table(self.table(table)).and_where(never())).await.map(drop)
            }
        }
    }

    /// Writes an execution of some pages and takes it back.
    pub async fn try_recording(&self, id: i64, now: DateTime<Utc>) -> Result<(), DbErr> {
        let is_sqlite = self.codec.backend() == DbBackend::Sqlite;
        let text = format!("\"{}\"", "x".repeat(if is_sqlite { SPILLED } else { 16 << 10 }));
        let execution = NewExecution {
            id,
            event_key: id.to_string(),
            context: text.clone(),
            created_at: now,
            updated_at: now,
            ..NewExecution::default()
        };
        let tx = self.begin().await?;
        // SQLite keeps what is not committed in memory, up to this many pages, so a full disk would not show.
        if is_sqlite {
            tx.execute_unprepared("PRAGMA cache_size = 10").await?;
        }
        let written = self.insert_executions(&tx, &[&execution]).await;
        if is_sqlite {
            tx.execute_unprepared(DEFAULT_CACHE).await?;
        }
        written?;
        tx.rollback().await
    }

    /// The user that statements run as, as GRANT takes it.
    pub async fn user(&self) -> Result<String, DbErr> {
        let sql = match self.codec.backend() {
            DbBackend::Postgres => "SELECT quote_ident(current_user)",
            DbBackend::MySql => {
                "SELECT CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
                 QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))"
            }
            _ => return Ok(String::new()),
        };
        let row = self.db.query_one_raw(Statement::from_string(self.codec.backend(), sql)).await?;
        row.map(|row| row.try_get_by_index(0)).transpose().map(Option::unwrap_or_default)
    }

    fn quoted_name(&self, table: Table) -> String {
        self.quoted(self.names.table_name(table))
    }

    fn quoted(&self, name: String) -> String {
        let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        match self.codec.backend() {
            DbBackend::MySql => format!("`{name}`"),
            _ if is_plain => name,
            _ => format!("\"{name}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_that_gives_rights_is_told() {
        let rights = vec![Right::Insert, Right::Update];
        let missing = MissingRights { table: Table::Jobs, name: "jobs".to_owned(), rights };
        assert_eq!(missing.grant("hook"), "GRANT INSERT, UPDATE ON jobs TO hook");
    }
}
