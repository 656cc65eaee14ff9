//! The pool of connections as everybody uses it: transactions begin where nobody can cut them off, statements that are
//! older than a change of their tables are prepared anew, and what is sidehook's own does not wait for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sea_orm::sea_query::Value;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    RuntimeErr, Statement, TransactionOptions, TransactionTrait,
};
use tokio_util::task::TaskTracker;

use super::fault::Fault;

/// How long a transaction may take to begin. Longer than SQLite waits for somebody else's.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(12);

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
}

impl Pool {
    pub(super) fn new(db: DatabaseConnection, retired: Retirement) -> Self {
        Self { db, retired, beginnings: TaskTracker::new(), limit: None }
    }

    /// The same pool, for statements that have an answer at once or not at all.
    pub(super) fn limited(&self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self.clone() }
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

    /// Begins a transaction as the database does it by default.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.begin_with(TransactionOptions::default()).await
    }

    /// Begins a transaction, in a task that goes on when the caller is cancelled: the driver loses sight of a BEGIN
    /// whose answer nobody waits for, and the connection would come back inside of a transaction. One that nobody
    /// takes is rolled back.
    pub(super) async fn begin_with(&self, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
        let db = self.db.clone();
        let begun = self.beginnings.spawn(async move {
            let silent = |_| Err(away("no transaction could be begun: the database does not answer"));
            tokio::time::timeout(BEGIN_TIMEOUT, db.begin_with_options(options)).await.unwrap_or_else(silent)
        });
        begun.await.unwrap_or_else(|err| Err(away(&err.to_string())))
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
        Self::new(db, Retirement::default())
    }
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
        self.run(statement, |statement| self.db.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.limited_to(self.db.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(statement, |statement| self.db.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
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
    fn only_connections_that_are_there_retire() {
        let retired = Retirement::default();
        assert!(!retired.covers(Duration::ZERO));
        retired.retire();
        assert!(retired.covers(Duration::from_secs(1)), "one that is older than the pool");
        std::thread::sleep(Duration::from_millis(3));
        assert!(!retired.covers(Duration::ZERO), "one that is made now");
    }
}
