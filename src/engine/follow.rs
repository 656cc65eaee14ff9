//! Follows an execution that this instance does not run for the caller who asks: it goes on elsewhere, when a time has
//! come, or for the first of several deliveries.

use std::sync::Arc;
use std::time::Duration;

use entity::status::execution::STARTED;
use sea_orm::DbErr;

use super::run::Ended;
use super::run::workflow::Workflow;
use super::shared::Shared;
use crate::expr::json;
use crate::store::execution::State;

/// How often such an execution is looked at while its caller waits.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);

/// The execution of an earlier delivery of an event.
pub struct First {
    shared: Arc<Shared>,
    workflow: Arc<Workflow>,
    state: State,
}

impl First {
    pub fn new(shared: &Arc<Shared>, workflow: Arc<Workflow>, state: State) -> Self {
        Self { shared: shared.clone(), workflow, state }
    }

    pub fn id(&self) -> i64 {
        self.state.id
    }

    /// Its end, also where that is long ago; none where too many wait for theirs already.
    pub async fn ended(&self) -> Option<Ended> {
        let _place = self.shared.duplicates.try_acquire().ok()?;
        Some(follow(&self.shared, self.state.id, &self.workflow).await)
    }
}

/// Waits for the end of an execution, as long as callers wait.
pub(super) async fn follow(shared: &Shared, id: i64, workflow: &Arc<Workflow>) -> Ended {
    loop {
        // What cannot be found out now is asked again.
        if let Ok(Some(ended)) = shared.limited(end_of(shared, id, workflow)).await {
            return ended;
        }
        tokio::select! {
            () = shared.callers_let_go() => return Ended { is_left: true, ..Ended::default() },
            () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
        }
    }
}

/// How an execution has ended that ran elsewhere; nothing while it goes on.
async fn end_of(shared: &Shared, id: i64, workflow: &Arc<Workflow>) -> Result<Option<Ended>, DbErr> {
    let Some(row) = shared.store.find_states(&[id]).await?.pop() else {
        // One that is gone has been removed by its workflow's options, or by hand: nothing is known of it.
        return Ok(Some(Ended::default()));
    };
    let Some(status) = row.status.filter(|status| *status != STARTED) else { return Ok(None) };
    let workflow = version_of(shared, row.workflow_id, workflow).await?;
    let jobs = shared.store.newest_jobs(id).await?;
    let answers = |node_id: Option<i64>| {
        let node = node_id.and_then(|id| workflow.graph.find_id(id));
        node.is_some_and(|node| workflow.graph.node(node).answers)
    };
    let reply = jobs.iter().rev().find(|job| answers(job.row.node_id));
    let text = reply.and_then(|job| job.row.result.as_ref());
    let reply = text.and_then(|text| json::parse(text.0.as_bytes()).ok());
    Ok(Some(Ended { status, reply, ..Ended::default() }))
}

/// The version of a workflow that an execution ran, which may be older than the one that is called now.
async fn version_of(
    shared: &Shared,
    id: Option<i64>,
    called: &Arc<Workflow>,
) -> Result<Arc<Workflow>, DbErr> {
    match id.filter(|id| *id != called.id) {
        None => Ok(called.clone()),
        Some(id) => {
            let definition = shared.store.find_definition(id).await?;
            Ok(definition.map_or_else(|| called.clone(), |found| Arc::new(Workflow::build(&found))))
        }
    }
}
