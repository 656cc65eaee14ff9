//! The only place with SQL on NocoBase's workflow tables and on sidehook's own. Statements are built with
//! sea-query from run-time names and work on PostgreSQL, MySQL/MariaDB and SQLite.

pub mod application;
pub mod catalog;
pub mod claim;
mod codec;
mod column;
pub mod connection;
pub mod environment;
pub mod event;
pub mod execution;
pub mod fault;
pub mod fetch;
mod gathered;
pub mod handover;
pub mod history;
mod insert;
pub mod inspect;
pub mod instance;
pub mod job;
mod json_table;
mod lane;
pub mod lease;
pub mod left;
pub mod listening;
pub mod metadata;
pub mod notification;
mod plan;
pub mod plugin;
mod pool;
pub mod queued;
mod record;
pub mod recorder;
pub mod removal;
pub mod request;
pub mod request_log;
pub mod rights;
mod sample;
pub mod settings;
pub mod source;
pub mod standing;
mod stats;
pub mod storage;
mod subflow;
mod text;
mod timer;
mod transaction;
mod turns;
mod unnest;
mod update;
pub mod workflow;

use std::time::Duration;

use entity::{Names, Table};
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, SelectStatement, TableRef};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, IsolationLevel, TransactionOptions};

pub use codec::Codec;
pub use pool::{Executor, Pool, touch};
pub use subflow::Callable;
pub use transaction::Transaction;

/// How long a statement of sidehook's own may take. Longer than SQLite waits for somebody else's transaction.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(12);

/// A database with the names and the codec of this deployment.
#[derive(Clone, Debug)]
pub struct Store {
    /// For sidehook's own statements.
    pub db: Pool,
    /// The same connections for statements of workflows, which may take their time and wait for their turn.
    pub data: Pool,
    /// The same again for what work in the background reads, beside a transaction that may have its turn already.
    pub beside: Pool,
    pub names: Names,
    pub codec: Codec,
}

impl Store {
    pub fn new(pool: impl Into<Pool>, names: Names, time_offset: chrono::FixedOffset) -> Self {
        let pool = pool.into();
        let codec = Codec::new(pool.get_database_backend(), time_offset);
        let (db, data) = (pool.limited(STATEMENT_TIMEOUT), pool.in_turn());
        Self { db, data, beside: pool, names, codec }
    }

    /// The same, which writes in turn with another store of the same database.
    #[must_use]
    pub fn in_turn_with(self, other: &Self) -> Self {
        let pool = self.beside.in_turn_with(&other.beside);
        Self { db: pool.limited(STATEMENT_TIMEOUT), data: pool.in_turn(), beside: pool, ..self }
    }

    fn table(&self, table: Table) -> TableRef {
        self.names.table(table)
    }

    /// A column of one of NocoBase's tables.
    fn column(&self, field: &str) -> Alias {
        Alias::new(self.names.column_name(field))
    }

    fn columns<const N: usize>(&self, fields: [&str; N]) -> [Alias; N] {
        fields.map(|field| self.column(field))
    }

    /// Whether a column has one of these values. On PostgreSQL they are one parameter: however many there are, the
    /// statement is the same and is prepared once. MySQL gets a few sizes of lists for the same reason.
    fn is_among(&self, column: Alias, values: impl IntoIterator<Item = i64>) -> Expr {
        let column = Expr::col(column);
        match self.codec.backend() {
            DbBackend::Postgres => column.eq(PgFunc::any(values.into_iter().collect::<Vec<_>>())),
            DbBackend::MySql => column.is_in(in_few_sizes(values.into_iter().collect())),
            _ => column.is_in(values),
        }
    }

    /// Selects columns of one of NocoBase's tables under the snake_case names of the row shapes.
    fn select(&self, select: &mut SelectStatement, fields: &[&str]) {
        for field in fields {
            select.expr_as(Expr::col(self.column(field)), Alias::new(entity::snake_case(field)));
        }
    }

    /// Selects JSON columns as the text that is stored.
    fn select_json(&self, select: &mut SelectStatement, fields: &[&str]) {
        for field in fields {
            let column = self.codec.json_column(self.column(field));
            select.expr_as(column, Alias::new(entity::snake_case(field)));
        }
    }

    /// Begins a transaction that is going to write. On SQLite it takes the write lock at once: one that
    /// starts by reading could fail later, when another has written in between.
    async fn begin(&self) -> Result<Transaction, DbErr> {
        self.db.begin_with(self.writing(self.db.isolation())).await
    }

    /// The same for what a workflow writes, when it is its turn: such transactions leave connections to sidehook's own
    /// statements, however many of them there are. SQLite has but one isolation.
    pub async fn begin_in_turn(&self, isolation: Option<IsolationLevel>) -> Result<Transaction, DbErr> {
        self.data.begin_with(self.writing(isolation)).await
    }

    fn writing(&self, isolation: Option<IsolationLevel>) -> TransactionOptions {
        let sqlite_transaction_mode = Some(sea_orm::SqliteTransactionMode::Immediate);
        let isolation_level = isolation.filter(|_| self.codec.backend() != DbBackend::Sqlite);
        TransactionOptions { isolation_level, sqlite_transaction_mode, ..Default::default() }
    }
}

/// Values, of which the last one is repeated up to a power of two. A long list stays as it is: it is rare, and there is a
/// bound to what one statement binds.
fn in_few_sizes(mut values: Vec<i64>) -> Vec<i64> {
    if let Some(last) = values.last().copied().filter(|_| values.len() <= 1_024) {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

/// A column of one of sidehook's own tables, which are called the same everywhere.
fn own_column(name: &str) -> Alias {
    Alias::new(name)
}
