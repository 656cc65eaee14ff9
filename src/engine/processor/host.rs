//! What nodes reach beside the run: the clock, ids, the environment, services and transactions.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, IsolationLevel, TransactionTrait};

use super::cut_off::{keep_open, wait_for_database};
use super::transactions::{Scope as TransactionScope, Transactions};
use crate::engine::shared::Shared;
use crate::engine::subflow;
use crate::expr::{Scope, Thrown, Value};
use crate::ids::NoIdsLeft;
use crate::node::{self, Call, Called, JobId, Services};
use crate::script::Pool;
use crate::store::Transaction;
use crate::store::recorder::RecordError;

/// What a node reaches through its context beside the run.
pub(super) struct Host<'a> {
    pub shared: &'a Shared,
    pub execution_id: i64,
    /// Whether the database has the execution's row.
    pub has_row: bool,
    /// Whether a caller waits for the end, or has waited.
    pub has_caller: bool,
    /// By which servers learn what the node calls them for.
    pub traceparent: Option<String>,
    pub transactions: &'a mut Transactions,
    /// What ends this run without a trace, where nothing else can be returned.
    pub broken: &'a mut Option<RecordError>,
    /// The job that an earlier run has left and for which the node is run again.
    pub restarted: Option<JobId>,
}

impl Host<'_> {
    /// Begins a transaction, however long the database is away. The caller of an event that is not recorded
    /// yet is told instead. Within a transaction of another data source the node fails: others may wait for that one.
    async fn begin(&mut self, isolation: Option<IsolationLevel>) -> Result<Transaction, Thrown> {
        loop {
            let begun = self.shared.recorder.begin(isolation);
            match keep_open(&self.transactions.scopes, begun).await {
                Ok(transaction) => return Ok(transaction),
                Err(RecordError::Unavailable(reason)) if self.has_row && !self.shared.is_stopping() => {
                    if self.transactions.has_scope() {
                        return Err(Thrown::error(reason));
                    }
                    wait_for_database(self.execution_id, &reason).await;
                }
                Err(err) => {
                    let thrown = Thrown::error(err.to_string());
                    *self.broken = Some(err);
                    return Err(thrown);
                }
            }
        }
    }

    async fn current(&mut self) -> Result<&DatabaseTransaction, Thrown> {
        if self.transactions.current().is_none() {
            self.transactions.own = Some(self.begin(None).await?);
        }
        self.transactions.current().ok_or_else(|| Thrown::error("the transaction is gone"))
    }

    async fn begin_scope(
        &mut self,
        source: &str,
        elsewhere: Option<node::Elsewhere>,
        isolation: Option<IsolationLevel>,
    ) -> Result<(), Thrown> {
        let transaction = match (self.transactions.scope(source), elsewhere) {
            (Some(outer), _) => {
                outer.begin().await.map(Transaction::from).map_err(|err| Thrown::error(err.to_string()))?
            }
            (None, Some(elsewhere)) => {
                keep_open(&self.transactions.scopes, elsewhere.begin(isolation)).await?
            }
            (None, None) => self.begin(isolation).await?,
        };
        self.transactions.scopes.push(TransactionScope { source: source.into(), transaction });
        Ok(())
    }
}

impl node::Host for Host<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.shared.ids.now()
    }

    fn new_job_id(&mut self) -> JobId {
        JobId(self.shared.ids.job_id().unwrap_or_else(|NoIdsLeft| {
            *self.broken = Some(RecordError::Unavailable(NoIdsLeft.to_string()));
            0
        }))
    }

    fn restarted(&self) -> Option<JobId> {
        self.restarted
    }

    fn traceparent(&self) -> Option<String> {
        self.traceparent.clone()
    }

    fn around(&self) -> Scope {
        Scope {
            context: Value::Undefined,
            results: Arc::default(),
            scopes: Arc::default(),
            env: self.shared.environment.load_full(),
            system: self.shared.ids.clone(),
        }
    }

    fn loop_limit(&self) -> Option<u64> {
        self.shared.settings.loop_limit
    }

    fn number_loop_limit(&self) -> u64 {
        self.shared.settings.number_loop_limit
    }

    fn services(&self) -> &Services {
        &self.shared.services
    }

    fn scripts(&self) -> &Arc<Pool> {
        &self.shared.services.scripts
    }

    fn call(&mut self, call: Call) -> BoxFuture<'_, Result<Called, Thrown>> {
        Box::pin(subflow::call(self.shared, self.execution_id, call, self.has_caller))
    }

    fn transaction(&mut self) -> BoxFuture<'_, Result<&DatabaseTransaction, Thrown>> {
        Box::pin(self.current())
    }

    fn is_in_scope(&self) -> bool {
        self.transactions.has_scope()
    }

    fn scope_transaction(&self, source: &str) -> Option<&DatabaseTransaction> {
        self.transactions.scope(source)
    }

    fn open_scope<'a>(
        &'a mut self,
        source: &'a str,
        elsewhere: Option<node::Elsewhere>,
        isolation: Option<IsolationLevel>,
    ) -> BoxFuture<'a, Result<(), Thrown>> {
        Box::pin(self.begin_scope(source, elsewhere, isolation))
    }

    fn commit_scope(&mut self) {
        self.transactions.commits_scope = true;
    }

    fn roll_back_scope(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.transactions.roll_back_scope())
    }
}
