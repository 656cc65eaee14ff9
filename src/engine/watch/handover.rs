//! Nodes of types that sidehook does not run are left to NocoBase, with all that comes after them: the pending
//! job is recorded, the lease given up, and NocoBase told to run the node (`executions:rerun`). Until it has
//! begun, a row in `sidehook_handovers` sees to it that it is told again.

use std::sync::Arc;
use std::time::Duration;

use entity::handover;
use entity::status::job::ERROR;
use sea_orm::DbErr;

use crate::engine::Engine;
use crate::engine::run::position::Position;
use crate::expr::{Thrown, json};
use crate::node::JobId;
use crate::outbound::NocoBase;
use crate::store::handover::Handover;
use crate::store::job::JobUpdate;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Record};

/// How often handovers are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// At most so many are looked at together.
const BATCH: u64 = 200;
/// NocoBase works through its queue one by one, and keeps it in memory: after so long a request counts as lost.
pub const HANDOVER_TIMEOUT: Duration = Duration::from_secs(300);
/// When a request that failed is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// After so many requests that NocoBase has taken without any effect the node counts as one that it cannot run.
const MAX_ATTEMPTS: i32 = 3;

impl Engine {
    /// Whether NocoBase can be told to run nodes: by its API, or by sidehook's plugin that looks for them.
    pub fn hands_over(&self) -> bool {
        self.services.nocobase.is_some() || self.has_plugin()
    }

    /// Tells NocoBase of what it is to run, until it does.
    pub async fn watch_handovers(self: Arc<Self>) {
        while self.stopping.run_until_cancelled(tokio::time::sleep(WATCH_INTERVAL)).await.is_some() {
            if let Err(err) = self.look_at_handovers().await {
                tracing::warn!(reason = %err, "what was handed over cannot be followed");
            }
        }
    }

    async fn look_at_handovers(&self) -> Result<(), DbErr> {
        for Handover { row, is_done } in self.store.handovers(BATCH).await? {
            let now = self.ids.now().timestamp_millis();
            if is_done {
                self.store.drop_handover(row.job_id).await?;
            } else if row.due_at > now {
                continue;
            } else if row.attempts >= MAX_ATTEMPTS {
                self.give_up_handover(&row).await?;
            } else if let Some(nocobase) = &self.services.nocobase {
                let due_at = now + HANDOVER_TIMEOUT.as_millis() as i64;
                let next = handover::Model { due_at, attempts: row.attempts + 1, ..row.clone() };
                if self.store.move_handover(&row, &next).await? {
                    self.tell(nocobase, next).await?;
                }
            }
        }
        Ok(())
    }

    /// Tells NocoBase at once of what has just been recorded.
    pub fn tell_nocobase(self: &Arc<Self>, rows: Vec<handover::Model>) {
        let engine = self.clone();
        self.watches.spawn(async move {
            let Some(nocobase) = &engine.services.nocobase else { return };
            for row in rows {
                if let Err(err) = engine.tell(nocobase, row).await {
                    tracing::warn!(reason = %err, "what was handed over cannot be followed");
                }
            }
        });
    }

    /// Tells NocoBase of a job whose row counts on it; it is told again soon when it does not take it.
    async fn tell(&self, nocobase: &NocoBase, row: handover::Model) -> Result<(), DbErr> {
        if let Err(reason) = nocobase.rerun(row.execution_id, row.node_id).await {
            tracing::warn!(execution.id = row.execution_id, reason, "NocoBase did not take a handover");
            let due_at = (self.ids.now() + RETRY_DELAY).timestamp_millis();
            let again = handover::Model { due_at, attempts: row.attempts - 1, ..row.clone() };
            self.store.move_handover(&row, &again).await?;
        }
        Ok(())
    }

    /// Takes an execution back whose node NocoBase does not run either: the job is an error, and the run goes on
    /// from there, up to the nodes around it or to its end.
    async fn give_up_handover(&self, row: &handover::Model) -> Result<(), DbErr> {
        let executions = self.store.find_executions(&[row.execution_id]).await?;
        let Some(workflow_id) = executions.first().and_then(|execution| execution.workflow_id) else {
            return self.store.drop_handover(row.job_id).await;
        };
        // Of several instances one takes it back; the row stays until that is recorded.
        let due_at = (self.ids.now() + RETRY_DELAY).timestamp_millis();
        let mine = handover::Model { due_at, attempts: row.attempts + 1, ..row.clone() };
        if !self.store.move_handover(row, &mine).await? {
            return Ok(());
        }
        let thrown = Thrown::error("NocoBase was asked to run this node and did not begin with it");
        let job = JobUpdate {
            id: row.job_id,
            status: ERROR,
            result: Some(json::stringify_or_null(&thrown.to_result())),
            meta: None,
            updated_at: Some(self.ids.now()),
        };
        let position = Some(Position::resuming(row.node_id, JobId(row.job_id)).text());
        let record = Record {
            execution_id: row.execution_id,
            job_updates: vec![job],
            lease: LeaseChange::Take(Lease { workflow_id, position, due_at: 0 }),
            ..Record::default()
        };
        match self.recorder.write(record).await {
            Ok(_) => {
                // The next heartbeat picks it up.
                self.strand(vec![row.execution_id]);
                self.store.drop_handover(row.job_id).await
            }
            Err(err) => {
                tracing::warn!(execution.id = row.execution_id, reason = %err, "a failed handover could not be recorded");
                Ok(())
            }
        }
    }
}
