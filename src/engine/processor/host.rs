//! The running execution as its nodes see it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, IsolationLevel, TransactionTrait};

use super::cut_off::wait_for_database;
use super::transactions::Transactions;
use crate::engine::run::Run;
use crate::engine::shared::Shared;
use crate::expr::{Live, Scope, Thrown, Value};
use crate::ids::NoIdsLeft;
use crate::node::{self, Draft, Job, JobId, NodeIndex, Services};
use crate::script::Pool;
use crate::store::recorder::RecordError;

/// What a node reaches through its context.
pub struct Host<'a> {
    pub shared: &'a Shared,
    pub run: &'a mut Run,
    pub transactions: &'a mut Transactions,
    /// What ends this run without a trace, where nothing else can be returned.
    pub broken: &'a mut Option<RecordError>,
    /// The job that an earlier run has left and for which the node is run again.
    pub restarted: Option<JobId>,
}

impl Host<'_> {
    /// Begins a transaction, however long the database is away. The caller of an event that is not recorded
    /// yet is told instead.
    async fn begin(&mut self, isolation: Option<IsolationLevel>) -> Result<DatabaseTransaction, Thrown> {
        loop {
            match self.shared.recorder.begin(isolation).await {
                Ok(transaction) => return Ok(transaction),
                Err(RecordError::Unavailable(reason))
                    if self.run.unrecorded.is_none() && !self.shared.is_stopping() =>
                {
                    wait_for_database(self.run.id, &reason).await;
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

    async fn begin_scope(&mut self, isolation: Option<IsolationLevel>) -> Result<(), Thrown> {
        let scope = match self.transactions.scope() {
            Some(outer) => outer.begin().await.map_err(|err| Thrown::error(err.to_string()))?,
            None => self.begin(isolation).await?,
        };
        self.transactions.scopes.push(scope);
        Ok(())
    }
}

impl node::Run for Host<'_> {
    fn save(&mut self, node: NodeIndex, draft: Draft) -> JobId {
        let id = self.shared.ids.job_id().unwrap_or_else(|NoIdsLeft| {
            *self.broken = Some(RecordError::Unavailable(NoIdsLeft.to_string()));
            0
        });
        self.run.save_as(JobId(id), node, draft, self.shared.ids.now());
        JobId(id)
    }

    fn save_again(&mut self, job: JobId) {
        self.run.journal.save_again(job);
    }

    fn job(&self, job: JobId) -> &Job {
        self.run.journal.job(job)
    }

    fn set_status(&mut self, job: JobId, status: i32) {
        self.run.journal.set_status(job, status);
    }

    fn set_result(&mut self, job: JobId, result: Value) {
        self.run.journal.set_result(job, result);
    }

    fn share_result(&mut self, job: JobId, live: Arc<Live>) {
        self.run.journal.share_result(job, live);
    }

    fn set_meta(&mut self, job: JobId, meta: Value) {
        self.run.journal.set_meta(job, meta);
    }

    fn newest_job(&self, node: NodeIndex) -> Option<JobId> {
        self.run.journal.newest(node)
    }

    fn node_by_key(&self, key: &str) -> Option<NodeIndex> {
        self.run.workflow.graph.find(key)
    }

    fn node_key(&self, node: NodeIndex) -> &str {
        &self.run.workflow.graph.node(node).key
    }

    fn branches(&self, node: NodeIndex) -> &[(i32, NodeIndex)] {
        &self.run.workflow.graph.node(node).branches
    }

    fn branch_of(&self, node: NodeIndex, parent: NodeIndex) -> Option<NodeIndex> {
        self.run.workflow.graph.branch_of(node, parent)
    }

    fn set_output(&mut self, output: Value) {
        self.run.output = Some(output);
    }

    fn reply(&mut self, reply: Value) {
        self.run.reply = Some(reply);
    }

    fn scope(&self, node: NodeIndex, with_own_scope: bool) -> Result<Scope, Thrown> {
        let around = Scope {
            context: Value::Undefined,
            results: Arc::default(),
            scopes: Arc::default(),
            env: self.shared.environment.load_full(),
            system: self.shared.ids.clone(),
        };
        self.run.scope(node, with_own_scope, &around)
    }

    fn loop_limit(&self) -> Option<u64> {
        self.shared.settings.loop_limit
    }

    fn number_loop_limit(&self) -> u64 {
        self.shared.settings.number_loop_limit
    }

    fn is_sync(&self) -> bool {
        self.run.workflow.is_sync || self.transactions.has_scope()
    }

    fn effect_key(&self, node: NodeIndex) -> String {
        self.run.effect_key(node, self.restarted)
    }

    fn services(&self) -> &Services {
        &self.shared.services
    }

    fn scripts(&self) -> &Arc<Pool> {
        &self.shared.services.scripts
    }

    fn transaction(&mut self) -> BoxFuture<'_, Result<&DatabaseTransaction, Thrown>> {
        Box::pin(self.current())
    }

    fn scope_transaction(&self) -> Option<&DatabaseTransaction> {
        self.transactions.scope()
    }

    fn open_scope(&mut self, isolation: Option<IsolationLevel>) -> BoxFuture<'_, Result<(), Thrown>> {
        Box::pin(self.begin_scope(isolation))
    }

    fn commit_scope(&mut self) {
        self.transactions.commits_scope = true;
    }

    fn roll_back_scope(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.transactions.roll_back_scope())
    }
}
