//! The running execution as its nodes see it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, IsolationLevel};

use super::Processor;
use crate::engine::run::journal::Owner;
use crate::expr::{Live, Object, Scope, Template, Thrown, Value};
use crate::ids::NoIdsLeft;
use crate::node::{Draft, Job, JobId, NodeIndex, Run, Services};
use crate::store::recorder::RecordError;

impl Run for Processor {
    fn save(&mut self, node: NodeIndex, draft: Draft) -> JobId {
        let place = self.execution.workflow.graph.node(node);
        let owner = Owner { index: node, id: place.id, key: place.key.as_str().into() };
        let id = self.engine.ids.job_id().unwrap_or_else(|NoIdsLeft| {
            self.broken = Some(RecordError::Unavailable(NoIdsLeft.to_string()));
            0
        });
        self.journal.save(JobId(id), owner, draft, self.engine.ids.now());
        JobId(id)
    }

    fn save_again(&mut self, job: JobId) {
        self.journal.save_again(job);
    }

    fn job(&self, job: JobId) -> &Job {
        self.journal.job(job)
    }

    fn set_status(&mut self, job: JobId, status: i32) {
        self.journal.set_status(job, status);
    }

    fn set_result(&mut self, job: JobId, result: Value) {
        self.journal.set_result(job, result);
    }

    fn share_result(&mut self, job: JobId, live: Arc<Live>) {
        self.journal.share_result(job, live);
    }

    fn set_meta(&mut self, job: JobId, meta: Value) {
        self.journal.set_meta(job, meta);
    }

    fn newest_job(&self, node: NodeIndex) -> Option<JobId> {
        self.journal.newest(node)
    }

    fn node_by_key(&self, key: &str) -> Option<NodeIndex> {
        self.execution.workflow.graph.find(key)
    }

    fn node_key(&self, node: NodeIndex) -> &str {
        &self.execution.workflow.graph.node(node).key
    }

    fn branches(&self, node: NodeIndex) -> &[(i32, NodeIndex)] {
        &self.execution.workflow.graph.node(node).branches
    }

    fn branch_of(&self, node: NodeIndex, parent: NodeIndex) -> Option<NodeIndex> {
        self.execution.workflow.graph.branch_of(node, parent)
    }

    fn set_output(&mut self, output: Value) {
        self.output = Some(output);
    }

    fn reply(&mut self, reply: Value) {
        self.reply = Some(reply);
    }

    fn scope(&self, node: NodeIndex, with_own_scope: bool) -> Result<Scope, Thrown> {
        let graph = &self.execution.workflow.graph;
        let mut scopes = Object::new();
        let nearest = if with_own_scope { Some(node) } else { graph.node(node).parent };
        for index in graph.upwards(nearest) {
            let place = graph.node(index);
            let render = |template: &Template| template.render(&self.scope(index, false)?);
            let result = self.journal.results().get(&place.key).cloned().unwrap_or_default();
            if let Some(offered) = place.run.scope(&render, &result)? {
                scopes.insert(place.id.to_string(), offered.clone());
                scopes.insert(place.key.as_str(), offered);
            }
        }
        Ok(Scope {
            context: self.execution.context.clone(),
            results: self.journal.results().clone(),
            scopes: scopes.into(),
            env: self.engine.environment(),
            system: self.engine.ids.clone(),
        })
    }

    fn loop_limit(&self) -> Option<u64> {
        self.engine.loop_limit
    }

    fn is_sync(&self) -> bool {
        self.execution.workflow.is_sync || self.transactions.has_scope()
    }

    fn effect_key(&self, node: NodeIndex) -> String {
        let key = &self.execution.workflow.graph.node(node).key;
        let run = self.journal.runs(node) + u32::from(!self.is_restarting);
        format!("{}:{key}:{run}", self.execution.id)
    }

    fn services(&self) -> &Services {
        &self.engine.services
    }

    fn transaction(&mut self) -> BoxFuture<'_, Result<&DatabaseTransaction, Thrown>> {
        Box::pin(self.open_transaction())
    }

    fn scope_transaction(&self) -> Option<&DatabaseTransaction> {
        self.transactions.scope()
    }

    fn open_scope(&mut self, isolation: Option<IsolationLevel>) -> BoxFuture<'_, Result<(), Thrown>> {
        Box::pin(self.open_scope(isolation))
    }

    fn commit_scope(&mut self) {
        self.commit_scope();
    }

    fn roll_back_scope(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.roll_back_scope())
    }
}
