//! What a server does for those who manage it: says how it is doing, and handles requests of its log once more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use entity::request;
use tokio::sync::Mutex;

use super::check::{self, Found};
use super::replay::Recorded;
use crate::app::App;
use crate::apps::{self, Apps, State};
use crate::expr::Value;
use crate::http::{Manager, Replayed, Replayer, Unreplayed};
use crate::metrics::Minute;
use crate::store::fault::describe;
use crate::store::request::RequestFilter;
use crate::store::standing::Standing;
use crate::telemetry;
use crate::webhook::trigger;

/// What is found is looked for no more often.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long the database may take for all of it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the row of a request that was sent again is waited for: those without an execution are written in batches.
const ROW_PATIENCE: Duration = Duration::from_secs(1);
const ROW_PAUSE: Duration = Duration::from_millis(50);
/// What can be done by URLs, beside reading this.
const FEATURES: [&str; 4] = ["status", "replay", "listen", "retention"];

/// Of which workflows with triggers of NocoBase's the executions are run here that it has queued; nothing where
/// `SIDEHOOK_WORKFLOWS` asks for none.
fn queued_of(app: &App) -> Option<(&'static str, Value)> {
    if !app.queued.is_asked_for() {
        return None;
    }
    let choices = app.queued.choices().into_iter().filter(|(workflow, _)| workflow.type_name != "webhook");
    let workflows = choices.map(|(workflow, choice)| {
        Value::object([
            ("key", Value::from(workflow.key)),
            ("title", Value::from(workflow.title)),
            ("type", Value::from(workflow.type_name)),
            ("left", choice.err().map_or(Value::Null, |left| Value::from(left.to_string()))),
        ])
    });
    let queued = Value::object([
        ("isTaken", Value::Bool(app.queued.is_taken_from())),
        ("workflows", Value::array(workflows.collect())),
    ]);
    Some(("queued", queued))
}

/// A server's manager.
pub(super) struct Managing {
    apps: Arc<Apps>,
    replayer: Replayer,
    /// When it was looked, and what was found, by application.
    found: Mutex<HashMap<String, (Instant, Vec<Found>)>>,
}

impl Managing {
    pub(super) fn new(apps: Arc<Apps>) -> Self {
        Self { replayer: Replayer::new(apps.main()), apps, found: Mutex::default() }
    }

    /// What `sidehook check` finds; as it was a minute ago at most, or longer while the database is away.
    async fn findings(&self, app: &App) -> Vec<Found> {
        let (mut found, name) = (self.found.lock().await, &app.config.app);
        if found.get(name).is_none_or(|(looked, _)| looked.elapsed() >= LOOK_EVERY) {
            let looking = check::findings(&app.store, &app.config);
            if let Ok(Ok(now)) = tokio::time::timeout(PATIENCE, looking).await {
                // Applications come and go.
                found.retain(|name, _| self.apps.find(name).is_ok());
                found.insert(name.clone(), (Instant::now(), now));
            }
        }
        found.get(name).map(|(_, found)| found.clone()).unwrap_or_default()
    }

    async fn recorded(app: &App, id: i64) -> Result<Option<request::Model>, Unreplayed> {
        let filter = RequestFilter { ids: Some(vec![id]), ..RequestFilter::default() };
        let found = app.store.find_requests(&filter, 1).await;
        found.map(|mut rows| rows.pop()).map_err(|err| Unreplayed::Unfit(describe(&err)))
    }

    /// The row of a request that was sent again since a time.
    async fn row_of(app: &App, original: &request::Model, since: i64) -> Option<request::Model> {
        let mark = format!("[\"{}\",\"{}\"]", super::replay::HEADER, original.id);
        let filter = RequestFilter {
            received_from: Some(since),
            text: Some(mark.clone()),
            above: Some(original.id),
            ..RequestFilter::default()
        };
        let waited = Instant::now();
        loop {
            let rows = app.store.find_requests(&filter, 10).await.ok()?;
            if let Some(row) = rows.into_iter().find(|row| row.headers.contains(&mark)) {
                return Some(row);
            }
            if waited.elapsed() > ROW_PATIENCE {
                return None;
            }
            tokio::time::sleep(ROW_PAUSE).await;
        }
    }
}

#[async_trait]
impl Manager for Managing {
    async fn status(&self, app: &Arc<App>) -> Value {
        let is_main = Arc::ptr_eq(app, self.apps.main());
        let now = app.engine.ids().now();
        let standing = tokio::time::timeout(PATIENCE, app.store.standing(now)).await;
        let standing = standing.ok().and_then(Result::ok);
        let kept = tokio::time::timeout(PATIENCE, app.retention()).await;
        let kept = kept.ok().and_then(Result::ok);
        let seconds = |time: Duration| Value::Number(time.as_secs_f64());
        let text = |text: &str| Value::from(text.to_owned());
        let features = FEATURES.iter().map(|name| (*name).to_owned());
        let features = features.chain(trigger::members().map(|name| format!("trigger.{name}")));
        // The log is that of all applications: what it says of one is not for those of another.
        let errors = if is_main { telemetry::latest() } else { Vec::new() };
        let errors = errors
            .into_iter()
            .map(|noted| Value::object([("at", moment(noted.at)), ("message", Value::from(noted.message))]));
        let findings = self.findings(app).await.into_iter().map(|found| {
            Value::object([
                ("subject", Value::from(found.subject)),
                ("fault", Value::from(found.fault)),
                ("mend", Value::from(found.mend)),
            ])
        });
        let hour = app.metrics.last_hour().into_iter().map(|minute| minute_of(now, &minute));
        let mut members = vec![
            ("version", text(env!("CARGO_PKG_VERSION"))),
            ("app", text(&app.config.app)),
            ("instance", Value::Number(app.engine.owner().number.into())),
            ("requestsKeptSeconds", kept.map_or(Value::Null, seconds)),
            ("requestsKeptSecondsUnset", seconds(app.config.request_log.keep)),
            ("requestsMax", Value::Number(app.config.request_log.max as f64)),
        ];
        if let Some(standing) = standing {
            members.extend(standing_of(app, &standing));
        }
        members.extend(queued_of(app));
        members.extend([
            ("features", Value::array(features.map(Value::from).collect())),
            ("errors", Value::array(errors.collect())),
            ("hour", Value::array(hour.collect())),
            ("findings", Value::array(findings.collect())),
        ]);
        if is_main && self.apps.are_chosen() {
            members.push(("apps", Value::array(self.apps.standings().iter().map(told_of).collect())));
        }
        Value::object(members)
    }

    async fn replay(&self, app: &Arc<App>, id: i64, is_vouched: bool) -> Result<Replayed, Unreplayed> {
        let original = Self::recorded(app, id).await?.ok_or(Unreplayed::Unknown)?;
        // Nobody asks here whether it may be let in, unless somebody has answered that.
        let recorded = Recorded::of(&original, !is_vouched, true)
            .map_err(|reason| Unreplayed::Unfit(reason.to_owned()))?;
        let (sent, replay) = recorded.in_process(false);
        let since = app.engine.ids().now().timestamp_millis();
        let told = self.replayer.send(app, sent, replay).await.map_err(Unreplayed::Unfit)?;
        let row = Self::row_of(app, &original, since).await;
        let duplicate_of = told.duplicate_of.and_then(|id| id.parse().ok());
        Ok(Replayed {
            status: told.status,
            execution_id: row.as_ref().and_then(|row| row.execution_id).or(duplicate_of),
            request_id: row.map(|row| row.id),
        })
    }
}

/// How a sub-application is doing.
fn told_of(apps::Standing { name, state }: &apps::Standing) -> Value {
    let (state, reason) = match state {
        State::Served => ("served", None),
        State::Starting => ("starting", None),
        State::Broken(reason) => ("broken", Some(reason.as_str())),
        State::LeftOut => ("broken", Some("SIDEHOOK_APPS_MAX has no room for it")),
    };
    Value::object([
        ("name", Value::from(name.as_str())),
        ("state", Value::from(state)),
        ("reason", reason.map_or(Value::Null, Value::from)),
    ])
}

/// What the database knows.
fn standing_of(app: &App, standing: &Standing) -> [(&'static str, Value); 3] {
    let number = |number: f64| Value::Number(number);
    let instances = standing.instances.iter().map(|alive| {
        Value::object([
            ("number", number(alive.number.into())),
            ("generation", number(alive.generation as f64)),
            ("silentMs", number(alive.silent_ms as f64)),
        ])
    });
    let oldest = standing.oldest.map(|id| app.engine.ids().since_second_of(id).as_millis() as f64);
    let backlog = [
        ("waiting", number(standing.waiting as f64)),
        ("oldestMs", oldest.map_or(Value::Null, Value::Number)),
    ];
    [
        ("instances", Value::array(instances.collect())),
        ("backlog", Value::object(backlog)),
        ("leases", number(standing.leased as f64)),
    ]
}

fn minute_of(now: DateTime<Utc>, minute: &Minute) -> Value {
    let [half, most, nearly_all] = minute.percentiles.map(Value::Number);
    let requests = [
        ("accepted", Value::Number(minute.accepted as f64)),
        ("refused", Value::Number(minute.refused as f64)),
        ("failed", Value::Number(minute.failed as f64)),
    ];
    Value::object([
        ("at", moment(now - minute.ago)),
        ("requests", Value::object(requests)),
        ("p50Ms", half),
        ("p95Ms", most),
        ("p99Ms", nearly_all),
    ])
}

fn moment(at: DateTime<Utc>) -> Value {
    Value::from(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}
