//! The open transactions of a run.

use sea_orm::DatabaseTransaction;

/// The open transactions of a run.
#[derive(Default)]
pub struct Transactions {
    /// That of the node that runs, where no transaction node is around it.
    pub own: Option<DatabaseTransaction>,
    /// Those of the transaction nodes around it, outermost first. Inner ones are savepoints.
    pub scopes: Vec<DatabaseTransaction>,
    /// Whether the innermost one is to be committed with the job that is saved next.
    pub commits: bool,
}

impl Transactions {
    /// Whether a transaction node is around what runs.
    pub fn has_scope(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// The transaction of the innermost transaction node.
    pub fn scope(&self) -> Option<&DatabaseTransaction> {
        self.scopes.last()
    }

    pub fn current(&self) -> Option<&DatabaseTransaction> {
        self.scopes.last().or(self.own.as_ref())
    }
}
