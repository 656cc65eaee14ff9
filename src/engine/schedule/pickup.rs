//! Runs executions that have been recorded: from where they stand, as far as this instance owns them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::status::execution::{ERROR, STARTED};
use entity::{JsonText, execution, lease};
use sea_orm::DbErr;
use tokio::time::Instant;

use super::fetched::Room;
use super::running::Registration;
use crate::engine::execution::Execution;
use crate::engine::run::position::Position;
use crate::engine::run::restore::{Recorded, Start};
use crate::engine::run::workflow::Workflow;
use crate::engine::shared::Shared;
use crate::engine::spawn::spawn;
use crate::expr::{Value, json};
use crate::store::execution::ExecutionUpdate;
use crate::store::fetch::Fetch;
use crate::store::recorder::{LeaseChange, Record};
use crate::trace::Cause;

/// How long a workflow version that has been read is used: about as long as a webhook's is that has changed.
const FRESH: Duration = Duration::from_secs(1);

/// The workflow versions of executions that were picked up of late, and `None` for those that have been deleted.
#[derive(Default)]
pub(crate) struct Versions(HashMap<(i64, bool), Version>);

struct Version {
    workflow: Option<Arc<Workflow>>,
    read_at: Instant,
}

impl Versions {
    /// A workflow version, for executions that others have called or not.
    async fn get(&mut self, shared: &Shared, kind: (i64, bool)) -> Result<Option<Arc<Workflow>>, DbErr> {
        self.0.retain(|_, version| version.read_at.elapsed() < FRESH);
        if let Some(known) = self.0.get(&kind) {
            return Ok(known.workflow.clone());
        }
        let workflow = workflow_of(shared, kind).await?;
        self.0.insert(kind, Version { workflow: workflow.clone(), read_at: Instant::now() });
        Ok(workflow)
    }
}

/// Runs those of the executions whose leases are this instance's and which it does not run yet, from where
/// they stand. `is_first_run` says that those without a place to go on from have not left any jobs. Returns those whose
/// contexts have had no room. After an error none of them has been started.
pub(crate) async fn pick_up(
    shared: &Arc<Shared>,
    ids: &[i64],
    is_first_run: bool,
    versions: &mut Versions,
    mut room: Room,
) -> Result<Vec<i64>, DbErr> {
    let register = |id: &i64| Some((*id, shared.running.try_register(*id)?));
    let mut registrations: HashMap<i64, Registration> = ids.iter().filter_map(register).collect();
    // The run that has given one of them away may be about to end.
    let is_busy = |id: &i64| !registrations.contains_key(id);
    shared.strand(ids.iter().copied().filter(is_busy).collect());
    let mut leases = own_leases(shared, &registrations.keys().copied().collect::<Vec<_>>()).await?;
    let ids: Vec<i64> = leases.keys().copied().collect();
    let Begun { rows, ended, locked, others } = begin(shared, &ids, room.text()).await?;
    let mut idle: HashSet<i64> = ids.into_iter().collect();
    idle.retain(|id| !locked.contains(id) && !others.contains(id));
    shared.strand(locked);
    let mut runnable = Vec::new();
    for row in rows {
        let workflow_id = row.workflow_id.unwrap_or_default();
        let Some(workflow) = versions.get(shared, (workflow_id, row.stack.is_some())).await? else {
            if !give_up(shared, row.id).await {
                idle.remove(&row.id);
                shared.strand(vec![row.id]);
            }
            continue;
        };
        let start = match leases.remove(&row.id).and_then(|lease| lease.position) {
            Some(position) => Start::At(recorded(shared, row.id, &position).await?),
            None if is_first_run => Start::Fresh,
            None => Start::Anew,
        };
        let expires_at = expiry_of(shared, &row, &workflow).await?;
        idle.remove(&row.id);
        runnable.push((row, workflow, start, expires_at));
    }
    shared.store.end_waits(&idle.into_iter().collect::<Vec<_>>(), &ended).await?;
    for (row, workflow, start, expires_at) in runnable {
        let Some(registration) = registrations.remove(&row.id) else { continue };
        let parse = |text: &JsonText| json::parse(text.0.as_bytes()).unwrap_or_default();
        let context = row.context.as_ref().map_or(Value::Null, parse);
        let hold = Box::new(room.take(&context));
        let place = shared.workers.occupy(workflow.id);
        let execution = Execution {
            id: row.id,
            workflow,
            context,
            expires_at,
            unrecorded: None,
            start,
            caller: None,
            request: None,
            cause: Cause::default(),
            hold: Some(hold),
        };
        spawn(shared, execution, registration, place);
    }
    Ok(others)
}

/// Executions as they are found when they are to run.
#[derive(Default)]
struct Begun {
    /// Those that have been started.
    rows: Vec<execution::Model>,
    /// Those that somebody else has ended.
    ended: Vec<i64>,
    /// Those that could not be started because somebody else has locked them.
    locked: Vec<i64>,
    /// Those whose contexts have no room.
    others: Vec<i64>,
}

/// Starts those executions that have yet to begin, as far as their contexts have room in so many bytes, as text. Those
/// that are gone are missing.
async fn begin(shared: &Shared, ids: &[i64], room: usize) -> Result<Begun, DbErr> {
    let Fetch { executions: rows, others } = shared.store.fetch_executions(ids, room).await?;
    let mut begun = Begun { others, ..Begun::default() };
    let length = |row: &execution::Model| row.context.as_ref().map_or(0, |text| text.0.len());
    shared.settings.fetched.note(rows.iter().map(length).sum(), rows.len());
    let queueing: Vec<i64> = rows.iter().filter(|row| row.status.is_none()).map(|row| row.id).collect();
    let starting = shared.store.start_queueing(&queueing, shared.ids.now());
    let started = shared.limited(starting).await?;
    let started: HashSet<i64> = started.into_iter().collect();
    for row in rows {
        match row.status {
            Some(STARTED) => begun.rows.push(row),
            Some(_) => begun.ended.push(row.id),
            None if started.contains(&row.id) => begun.rows.push(row),
            None => begun.locked.push(row.id),
        }
    }
    Ok(begun)
}

/// Those leases of some executions that belong to this instance, by execution.
async fn own_leases(shared: &Shared, executions: &[i64]) -> Result<HashMap<i64, lease::Model>, DbErr> {
    let leases = shared.store.find_leases(executions).await?;
    let is_own = |lease: &lease::Model| {
        (lease.instance_id, lease.generation) == (Some(shared.owner.number), Some(shared.owner.generation))
    };
    Ok(leases.into_iter().filter(is_own).map(|lease| (lease.execution_id, lease)).collect())
}

async fn recorded(shared: &Shared, execution_id: i64, position: &str) -> Result<Recorded, DbErr> {
    let position = Position::parse(position);
    let timers = shared.store.find_timers(execution_id).await?;
    let mut named = position.as_ref().map(Position::jobs).unwrap_or_default();
    named.extend(timers.iter().filter(|timer| timer.is_visible).map(|timer| timer.job_id));
    let jobs = shared.store.jobs_to_go_on(execution_id, &named).await?;
    let recorded = Recorded { position, jobs, timers };
    if let Some(newest) = recorded.newest() {
        shared.ids.pass_job(newest.0);
    }
    Ok(recorded)
}

/// Ends an execution whose workflow has been deleted; `false` when that could not be recorded.
async fn give_up(shared: &Shared, id: i64) -> bool {
    let update = ExecutionUpdate { status: Some(ERROR), ..ExecutionUpdate::default() };
    let lease = LeaseChange::Release;
    let record = Record { execution_id: id, update: Some(update), lease, ..Record::default() };
    let written = shared.recorder.write(record).await;
    if let Err(err) = &written {
        tracing::warn!(execution.id = id, reason = %err, "an execution without a workflow could not be ended");
    }
    written.is_ok()
}

/// A workflow version, for executions that others have called or not.
async fn workflow_of(shared: &Shared, (id, is_called): (i64, bool)) -> Result<Option<Arc<Workflow>>, DbErr> {
    let definition = shared.store.find_definition(id).await?;
    if definition.is_none() {
        tracing::warn!(workflow.id = id, "the workflow of waiting executions has been deleted");
    }
    let build = |definition| match is_called {
        true => Workflow::build_called(&definition),
        false => Workflow::build(&definition),
    };
    Ok(definition.map(build).map(Arc::new))
}

/// When an execution has to be over; recorded now, where it has only just been started.
async fn expiry_of(
    shared: &Shared,
    row: &execution::Model,
    workflow: &Workflow,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    if let Some(recorded) = row.expires_at {
        return Ok(Some(shared.store.codec.read_time(recorded)));
    }
    let Some(expires_at) = workflow.expires_at(shared.ids.now()) else { return Ok(None) };
    shared.store.set_expiry(row.id, expires_at).await?;
    Ok(Some(expires_at))
}
