//! The pool of connections as everybody uses it: transactions begin where nobody can cut them off, statements that are
//! older than a change of their tables are prepared anew, what is sidehook's own does not wait for ever, and workflows take
//! turns that leave connections to sidehook.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sea_orm::sea_query::Value;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel,
    QueryResult, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tokio_util::task::TaskTracker;

use super::fault::Fault;
use super::transaction::Transaction;
use super::turns::{Turn, Turns};

/// How long a transaction may take to begin. Longer than SQLite waits for somebody else's.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(12);
/// Those who wait for a turn are told when nobody has been given one for so long. Longer than most statements of workflows
/// take, shorter than those who call them wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same of those who wait to write to an SQLite file. As long as SQLite waits for other processes.
const WRITING_PATIENCE: Duration = Duration::from_secs(10);

/// Which connections of a pool are not to be used again.
#[derive(Clone, Debug)]
pub(super) struct Retirement {
    started: Instant,
    /// Those that were made up to this time, in milliseconds since `started`; 0 for none.
    until: Arc<AtomicU64>,
}

impl Default for Retirement {
    fn default() -> Self {
        Self { started: Instant::now(), until: Arc::default() }
    }
}

impl Retirement {
    /// Whether a connection of this age is not to be used.
    pub(super) fn covers(&self, age: Duration) -> bool {
        let made_at = self.started.elapsed().saturating_sub(age);
        made_at.as_millis() < u128::from(self.until.load(Ordering::Acquire))
    }

    /// Retires all connections that there are now.
    fn retire(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.until.fetch_max(now.saturating_add(1), Ordering::AcqRel);
    }
}

/// A pool of connections.
#[derive(Clone, Debug)]
pub struct Pool {
    db: DatabaseConnection,
    retired: Retirement,
    /// Transactions that begin.
    beginnings: TaskTracker,
    /// How long a statement outside of transactions may take.
    limit: Option<Duration>,
    /// The turns of workflows at its connections.
    turns: Arc<Turns>,
    /// Whether statements and transactions take them.
    is_in_turn: bool,
    /// The turn of who writes to an SQLite file. Without it those who wait would look for the lock at intervals that SQLite
    /// chooses, and none would have it meanwhile.
    writing: Option<Arc<Turns>>,
    /// How sidehook's own transactions are isolated, where that is not the database's own way.
    isolation: Option<IsolationLevel>,
}

impl Pool {
    /// InnoDB locks what is between rows, too, and all that it reads on the way to them, which is the whole of a small table,
    /// unless each statement is to see what is committed by then (MySQL 9.7, "Transaction Isolation Levels"): that is how
    /// PostgreSQL does it, too. `locks_gaps` where the server's binary log does not allow it.
    pub(super) fn new(db: DatabaseConnection, retired: Retirement, locks_gaps: bool) -> Self {
        let locks_rows_only = db.get_database_backend() == DbBackend::MySql && !locks_gaps;
        let isolation = locks_rows_only.then_some(IsolationLevel::ReadCommitted);
        let turns = Arc::new(Turns::new(for_workflows(max_connections(&db))));
        let writing = is_sqlite(&db).then(|| Arc::new(Turns::new(1)));
        Self {
            db,
            retired,
            beginnings: TaskTracker::new(),
            limit: None,
            turns,
            is_in_turn: false,
            writing,
            isolation,
        }
    }

    /// The same pool, for statements that have an answer at once or not at all.
    pub(super) fn limited(&self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self.clone() }
    }

    /// The same pool for workflows, which leave some of its connections to sidehook: a statement or a transaction waits
    /// until it is its turn. Whoever has such a transaction must not ask for another turn: its statements are for what it
    /// reads, too.
    pub(super) fn in_turn(&self) -> Self {
        Self { is_in_turn: true, ..self.clone() }
    }

    /// The same pool, which writes in turn with another one of the same database.
    pub(super) fn in_turn_with(&self, other: &Self) -> Self {
        Self { writing: other.writing.clone(), ..self.clone() }
    }

    /// For the migrations.
    pub fn as_sea_orm(&self) -> &DatabaseConnection {
        &self.db
    }

    /// For what sea-orm can be set to.
    pub fn as_sea_orm_mut(&mut self) -> &mut DatabaseConnection {
        &mut self.db
    }

    /// How many connections there are, and how many of them nobody uses.
    pub fn connections(&self) -> (u32, u32) {
        let counts = |all: u32, idle: usize| (all, u32::try_from(idle).unwrap_or(all).min(all));
        match self.db.get_database_backend() {
            DbBackend::Postgres => {
                let pool = self.db.get_postgres_connection_pool();
                counts(pool.size(), pool.num_idle())
            }
            DbBackend::MySql => {
                let pool = self.db.get_mysql_connection_pool();
                counts(pool.size(), pool.num_idle())
            }
            _ => {
                let pool = self.db.get_sqlite_connection_pool();
                counts(pool.size(), pool.num_idle())
            }
        }
    }

    pub async fn ping(&self) -> Result<(), DbErr> {
        self.db.ping().await
    }

    pub async fn close(&self) -> Result<(), DbErr> {
        self.db.clone().close().await
    }

    /// Has connections that are there now replaced, because tables have changed under their prepared statements.
    /// MySQL and SQLite prepare those anew by themselves.
    pub fn retire(&self) {
        if self.db.get_database_backend() == DbBackend::Postgres {
            self.retired.retire();
        }
    }

    /// How a transaction of sidehook's own is to be isolated.
    pub(super) fn isolation(&self) -> Option<IsolationLevel> {
        self.isolation
    }

    /// Begins a transaction as the database does it by default.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        self.begin_with(TransactionOptions::default()).await
    }

    /// Begins a transaction, in a task that goes on when the caller is cancelled: the driver loses sight of a BEGIN
    /// whose answer nobody waits for, and the connection would come back inside of a transaction. One that nobody
    /// takes is rolled back.
    pub(super) async fn begin_with(&self, options: TransactionOptions) -> Result<Transaction, DbErr> {
        let turn = self.turn().await?;
        let is_written = matches!(options.sqlite_transaction_mode, Some(SqliteTransactionMode::Immediate));
        let writing = if is_written { self.turn_to_write().await? } else { None };
        let db = self.db.clone();
        let begun = self.beginnings.spawn(async move {
            let silent = |_| Err(away("no transaction could be begun: the database does not answer"));
            let begun = tokio::time::timeout(BEGIN_TIMEOUT, db.begin_with_options(options)).await;
            begun.unwrap_or_else(silent).map(|open| Transaction::new(open, [turn, writing]))
        });
        begun.await.unwrap_or_else(|err| Err(away(&err.to_string())))
    }

    /// The turn of a workflow, where this is the pool for those.
    async fn turn(&self) -> Result<Option<Turn>, DbErr> {
        if !self.is_in_turn {
            return Ok(None);
        }
        let stands_still = || {
            away(&format!(
                "none of the {} connections for workflows has become free for {} seconds: look for statements, or branches of \
                 transaction nodes, that take long or wait for each other, or give more connections (DB_POOL_MAX; \
                 SIDEHOOK_SOURCE_POOL_MAX for a data source, SIDEHOOK_APPS_POOL_MAX for a sub-application)",
                self.turns.count(),
                PATIENCE.as_secs()
            ))
        };
        self.turns.take(PATIENCE).await.map(Some).ok_or_else(stands_still)
    }

    /// The turn of who writes, where that is SQLite's.
    async fn turn_to_write(&self) -> Result<Option<Turn>, DbErr> {
        let Some(writing) = &self.writing else { return Ok(None) };
        let stands_still = || {
            away(&format!(
                "another transaction of this sidehook has kept the SQLite file for {} seconds, where only one can write: a \
                 transaction node does so until its branch ends",
                WRITING_PATIENCE.as_secs()
            ))
        };
        writing.take(WRITING_PATIENCE).await.map(Some).ok_or_else(stands_still)
    }

    /// Runs a statement, a second time where it is older than a change of its tables.
    async fn run<T, F: Future<Output = Result<T, DbErr>>>(
        &self,
        statement: Statement,
        run: impl Fn(Statement) -> F,
    ) -> Result<T, DbErr> {
        let statement = told_apart(statement);
        let outcome = self.limited_to(run(statement.clone())).await;
        if self.is_stale(&outcome) {
            return self.limited_to(run(statement)).await;
        }
        outcome
    }

    async fn limited_to<T>(&self, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        match self.limit {
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                Err(away(&format!("the database has not answered for {} seconds", limit.as_secs())))
            }),
            None => work.await,
        }
    }

    /// Whether to try a statement once more, on a connection that does not know it yet. Those that do are replaced.
    fn is_stale<T>(&self, outcome: &Result<T, DbErr>) -> bool {
        let is_stale = matches!(outcome, Err(err) if Fault::of(err) == Fault::StalePlan);
        if is_stale {
            self.retire();
        }
        is_stale
    }
}

/// A pool that was opened elsewhere.
impl From<DatabaseConnection> for Pool {
    fn from(db: DatabaseConnection) -> Self {
        Self::new(db, Retirement::default(), false)
    }
}

fn is_sqlite(db: &DatabaseConnection) -> bool {
    !matches!(db.get_database_backend(), DbBackend::Postgres | DbBackend::MySql)
}

/// How many connections a pool may have.
fn max_connections(db: &DatabaseConnection) -> u32 {
    match db.get_database_backend() {
        DbBackend::Postgres => db.get_postgres_connection_pool().options().get_max_connections(),
        DbBackend::MySql => db.get_mysql_connection_pool().options().get_max_connections(),
        _ => db.get_sqlite_connection_pool().options().get_max_connections(),
    }
}

/// How many of so many connections workflows may use at a time. The others are for what everybody waits for: the recorder, its
/// large records, the fetching of what waits, and health.
fn for_workflows(max_connections: u32) -> u32 {
    let kept = max_connections.div_ceil(4).min(3);
    max_connections.saturating_sub(kept).max(1)
}

/// MySQL gives a parameter the type of its first value, and the driver keeps statements by their texts alone: a text
/// would then be compared as a number, because a number was asked for before (MySQL 9.7, "Prepared Statements": derived
/// types of parameters). So that they are statements of their own, the types stand in a comment.
fn told_apart(mut statement: Statement) -> Statement {
    if statement.db_backend == DbBackend::MySql
        && let Some(values) = &statement.values
        && !values.0.is_empty()
    {
        let types: String = values.0.iter().map(type_mark).collect();
        statement.sql = format!("{} /* {types} */", statement.sql);
    }
    statement
}

/// A letter for each type that the driver binds in its own way.
fn type_mark(value: &Value) -> char {
    match value {
        Value::Bool(_) => 'b',
        Value::TinyInt(_) | Value::SmallInt(_) | Value::Int(_) | Value::BigInt(_) => 'i',
        Value::TinyUnsigned(_) | Value::SmallUnsigned(_) | Value::Unsigned(_) | Value::BigUnsigned(_) => 'u',
        Value::Float(_) | Value::Double(_) => 'f',
        Value::String(_) | Value::Char(_) => 't',
        Value::Bytes(_) => 'x',
        _ => 'o',
    }
}

fn away(reason: &str) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(reason.to_owned()))
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let _turn = self.turn().await?;
        let _writing = self.turn_to_write().await?;
        self.run(statement, |statement| self.db.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let _turn = self.turn().await?;
        self.limited_to(self.db.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let _turn = self.turn().await?;
        self.run(statement, |statement| self.db.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let _turn = self.turn().await?;
        self.run(statement, |statement| self.db.query_all_raw(statement)).await
    }
}

/// What a statement is sent to: the pool, or a transaction.
pub enum Executor<'a> {
    Pool(&'a Pool),
    /// Of the pool that it was begun on.
    Transaction(&'a DatabaseTransaction, &'a Pool),
}

impl Executor<'_> {
    /// What came of a statement in a transaction, which cannot go on after one that is older than a change of its
    /// tables: the connections that know it are replaced for those that come.
    fn noted<T>(pool: &Pool, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        pool.is_stale(&outcome);
        outcome
    }
}

impl<'a> From<&'a Pool> for Executor<'a> {
    fn from(pool: &'a Pool) -> Self {
        Self::Pool(pool)
    }
}

#[async_trait]
impl ConnectionTrait for Executor<'_> {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Pool(pool) => pool.get_database_backend(),
            Self::Transaction(_, pool) => pool.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Pool(pool) => pool.execute_raw(statement).await,
            Self::Transaction(transaction, pool) => {
                Self::noted(pool, transaction.execute_raw(told_apart(statement)).await)
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Pool(pool) => pool.execute_unprepared(sql).await,
            Self::Transaction(transaction, pool) => {
                Self::noted(pool, transaction.execute_unprepared(sql).await)
            }
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Pool(pool) => pool.query_one_raw(statement).await,
            Self::Transaction(transaction, pool) => {
                Self::noted(pool, transaction.query_one_raw(told_apart(statement)).await)
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Pool(pool) => pool.query_all_raw(statement).await,
            Self::Transaction(transaction, pool) => {
                Self::noted(pool, transaction.query_all_raw(told_apart(statement)).await)
            }
        }
    }
}

/// Does something in a transaction, so that the server does not take it for abandoned. What is wrong with it
/// shows with its next statement.
pub async fn touch(tx: &DatabaseTransaction) {
    let _ = tx.execute_unprepared("SELECT 1").await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_mysql_differ_by_the_types_of_their_values() {
        let statement = |backend, values: Vec<Value>| {
            told_apart(Statement::from_sql_and_values(backend, "SELECT ? = ?", values)).sql
        };
        let texts = [vec![1.into(), "1".into()], vec!["1".into(), 1.into()], vec![1.5.into(), true.into()]];
        let texts = texts.map(|values| statement(DbBackend::MySql, values));
        assert_eq!(texts, ["it", "ti", "fb"].map(|types| format!("SELECT ? = ? /* {types} */")));
        assert_eq!(statement(DbBackend::MySql, Vec::new()), "SELECT ? = ?");
        assert_eq!(statement(DbBackend::Sqlite, vec![1.into()]), "SELECT ? = ?");
    }

    #[test]
    fn workflows_leave_connections_to_sidehook() {
        assert_eq!([1, 2, 3, 4, 5, 10, 100].map(for_workflows), [1, 1, 2, 3, 3, 7, 97]);
    }

    #[test]
    fn only_connections_that_are_there_retire() {
        let retired = Retirement::default();
        assert!(!retired.covers(Duration::ZERO));
        retired.retire();
        assert!(retired.covers(Duration::from_secs(1)), "one that is older than the pool");
        std::thread::sleep(Duration::from_millis(3));
        assert!(!retired.covers(Duration::ZERO), "one that is made now");
    }
}
