//! A transaction with the turns that it has until it is over.

use std::ops::Deref;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::turns::Turn;

/// An open transaction. Without a commit it is taken back when it is dropped.
#[derive(Debug)]
pub struct Transaction {
    // Ends before its turns do.
    open: DatabaseTransaction,
    turns: [Option<Turn>; 2],
}

impl Transaction {
    pub(super) fn new(open: DatabaseTransaction, turns: [Option<Turn>; 2]) -> Self {
        Self { open, turns }
    }

    pub async fn commit(self) -> Result<(), DbErr> {
        let Self { open, turns: _turns } = self;
        open.commit().await
    }

    pub async fn rollback(self) -> Result<(), DbErr> {
        let Self { open, turns: _turns } = self;
        open.rollback().await
    }
}

/// A savepoint: the transaction around it has the turns.
impl From<DatabaseTransaction> for Transaction {
    fn from(open: DatabaseTransaction) -> Self {
        Self::new(open, [None, None])
    }
}

impl Deref for Transaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.open
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.open.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.open.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.open.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.open.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.open.query_all_raw(statement).await
    }
}
