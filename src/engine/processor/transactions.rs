//! The open transactions of a run: that of a single node, so that what it writes and the knowledge of it are committed
//! together, and those of transaction nodes, which span a branch.

use std::sync::Arc;

use sea_orm::DatabaseTransaction;

use crate::node::MAIN;
use crate::store::Transaction;

/// The transaction of a transaction node.
pub(super) struct Scope {
    /// The data source that it is in.
    pub source: Arc<str>,
    pub transaction: Transaction,
}

#[derive(Default)]
pub(super) struct Transactions {
    /// That of the node that runs, where no transaction node is around it.
    pub own: Option<Transaction>,
    /// Those of the transaction nodes around it, outermost first. Inner ones of the same data source are savepoints.
    pub scopes: Vec<Scope>,
    /// Whether the innermost one is to be committed with the job that is saved next.
    pub commits_scope: bool,
}

impl Transactions {
    /// Whether a transaction node is around what runs.
    pub(super) fn has_scope(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// The transaction of the innermost transaction node of a data source.
    pub(super) fn scope(&self, source: &str) -> Option<&DatabaseTransaction> {
        let of_source = self.scopes.iter().rev().find(|scope| &*scope.source == source);
        of_source.map(|scope| &*scope.transaction)
    }

    /// That in which the node that runs writes to the main data source.
    pub(super) fn current(&self) -> Option<&DatabaseTransaction> {
        self.scope(MAIN).or(self.own.as_deref())
    }

    /// Whether the job that is saved next ends a transaction that is to be committed.
    pub(super) fn is_to_commit(&self) -> bool {
        self.own.is_some() || self.commits_scope
    }

    /// Takes the transaction that is to be committed.
    pub(super) fn take_to_commit(&mut self) -> Option<Scope> {
        if std::mem::take(&mut self.commits_scope) {
            return self.scopes.pop();
        }
        self.own.take().map(|transaction| Scope { source: MAIN.into(), transaction })
    }

    /// Takes back what the node that runs has written. Within a transaction node that is done at its end.
    pub(super) async fn roll_back(&mut self) {
        if let Some(own) = self.own.take() {
            take_back(own).await;
        }
    }

    /// Takes back what the branch of the innermost transaction node has written.
    pub(super) async fn roll_back_scope(&mut self) {
        if let Some(scope) = self.scopes.pop() {
            take_back(scope.transaction).await;
        }
    }

    /// Takes back what transaction nodes have left open at the end of a segment. Nothing may wait inside of them, and
    /// what ends the execution from within them takes their writes back, as in NocoBase.
    pub(super) async fn close_scopes(&mut self) {
        while let Some(scope) = self.scopes.pop() {
            take_back(scope.transaction).await;
        }
    }
}

async fn take_back(transaction: Transaction) {
    if let Err(err) = transaction.rollback().await {
        // The connection is gone, and the transaction with it.
        tracing::debug!(reason = %err, "a transaction could not be rolled back");
    }
}
