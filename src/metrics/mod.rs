//! What is counted and timed, for Prometheus. Each occurrence is a function here, which whoever sees it calls; levels
//! are set when somebody asks. Nothing is global: who counts has the [`Metrics`].

mod families;
mod hour;
mod levels;
mod outcome;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use entity::status::execution::{ABORTED, CANCELED, ERROR, FAILED, REJECTED, RESOLVED, RETRY_NEEDED};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

pub use self::families::Families;
pub use self::hour::Minute;
pub use self::levels::Level;
pub use self::outcome::{InFront, Outcome};

use self::hour::Hour;
use self::levels::Levels;

/// From what a statement takes on a local database to what callers wait at most, in seconds.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// How long executions wait or run: up to an hour.
const LONG_SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0];
/// Up to the most records that one transaction takes.
const RECORDS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What the text is called in HTTP (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    answers: HistogramVec,
    executions: IntCounterVec,
    runs: HistogramVec,
    queued: Histogram,
    nodes: HistogramVec,
    flushes: IntCounterVec,
    flush_time: Histogram,
    flush_records: Histogram,
    unlogged: IntCounter,
    in_front: IntCounterVec,
    levels: Levels,
    hour: Hour,
    started: Instant,
    names_workflows: bool,
}

/// An execution has ended.
#[derive(Clone, Copy, Debug)]
pub struct ExecutionEnded<'a> {
    pub workflow: &'a str,
    pub is_sync: bool,
    /// Its final status, as in `executions.status`.
    pub status: i32,
    /// How long it ran without a pause, since it began or went on.
    pub took: Duration,
}

impl Metrics {
    /// `names_workflows` says whether requests and executions are counted for each workflow by itself: that is a series
    /// more for each of them. `app` is the name of the application that all of it is of, where there may be several.
    pub fn new(names_workflows: bool, app: Option<&str>) -> Self {
        Self::registered(names_workflows, app)
            .unwrap_or_else(|err| unreachable!("names that are no names: {err}"))
    }

    fn registered(names_workflows: bool, app: Option<&str>) -> prometheus::Result<Self> {
        let labels = app.map(|app| HashMap::from([("app".to_owned(), app.to_owned())]));
        let registry = Registry::new_custom(None, labels)?;
        let by = |labels: &[&'static str]| -> Vec<&'static str> {
            labels.iter().copied().chain(names_workflows.then_some("workflow")).collect()
        };
        let counter = |name, help, labels: &[&str]| counter(&registry, name, help, labels);
        let times = |name, help, labels: &[&str]| histogram(&registry, (name, help), labels, &SECONDS);
        let long = |name, help, labels: &[&str]| histogram(&registry, (name, help), labels, &LONG_SECONDS);
        let queued = "How long executions waited in the database for a worker, in whole seconds.";
        let records = ("flush_records", "How many records went into one transaction.");
        Ok(Self {
            requests: counter(
                "requests_total",
                "Requests to webhooks by what came of them and the status that was answered.",
                &by(&["outcome", "status"]),
            )?,
            answers: times("answer_seconds", "From the head of a request to its answer.", &["outcome"])?,
            executions: counter(
                "executions_total",
                "Executions that have ended here, by how they ran and by their final status.",
                &by(&["mode", "status"]),
            )?,
            runs: long(
                "run_seconds",
                "How long executions that have ended ran since they began or went on.",
                &["mode"],
            )?,
            queued: only(&long("queue_seconds", queued, &[])?),
            nodes: times(
                "node_seconds",
                "The time of nodes, without what they do in the background.",
                &["type"],
            )?,
            flushes: counter(
                "flushes_total",
                "Transactions of the recorder by their outcome.",
                &["outcome"],
            )?,
            flush_time: only(&times("flush_seconds", "The time of the recorder's transactions.", &[])?),
            flush_records: only(&histogram(&registry, records, &[], &RECORDS)?),
            unlogged: single(&counter(
                "request_log_failed_total",
                "Requests whose executions were recorded without them.",
                &[],
            )?),
            in_front: counter(
                "queue_events_total",
                "Events of the queue in front of the database, by what has become of them here.",
                &["outcome"],
            )?,
            levels: Levels::register(&registry)?,
            hour: Hour::default(),
            started: Instant::now(),
            registry,
            names_workflows,
        })
    }

    /// A request was answered. `workflow` is the key of the one that it was for, where that is known.
    pub fn request_answered(&self, outcome: Outcome, status: u16, workflow: Option<&str>, took: Duration) {
        self.hour.add(self.started.elapsed(), outcome, status, took);
        let status = status.to_string();
        self.requests.with_label_values(&self.labels([outcome.label(), &status], workflow)).inc();
        self.answers.with_label_values(&[outcome.label()]).observe(took.as_secs_f64());
    }

    pub fn execution_ended(&self, ended: ExecutionEnded<'_>) {
        let mode = if ended.is_sync { "sync" } else { "async" };
        let labels = self.labels([mode, status_name(ended.status)], Some(ended.workflow));
        self.executions.with_label_values(&labels).inc();
        self.runs.with_label_values(&[mode]).observe(ended.took.as_secs_f64());
    }

    /// An execution that has waited in the database begins.
    pub fn execution_waited(&self, waited: Duration) {
        self.queued.observe(waited.as_secs_f64());
    }

    /// A node was run. `node_type` is one of those that sidehook knows.
    pub fn node_ran(&self, node_type: &str, took: Duration) {
        self.nodes.with_label_values(&[node_type]).observe(took.as_secs_f64());
    }

    /// The recorder has ended a transaction of so many records, or given it up.
    pub fn flushed(&self, records: usize, took: Duration, is_committed: bool) {
        self.flushes.with_label_values(&[if is_committed { "committed" } else { "failed" }]).inc();
        self.flush_time.observe(took.as_secs_f64());
        self.flush_records.observe(records as f64);
    }

    /// The request log did not take so many requests whose executions are recorded.
    pub fn requests_unlogged(&self, requests: usize) {
        self.unlogged.inc_by(requests as u64);
    }

    /// Something has become of so many events of the queue in front of the database.
    pub fn in_front(&self, fate: InFront, events: usize) {
        self.in_front.with_label_values(&[fate.label()]).inc_by(events as u64);
    }

    /// What the last hour was like, by the minutes in which there were requests, counted from the start.
    pub fn last_hour(&self) -> Vec<Minute> {
        self.hour.minutes(self.started.elapsed())
    }

    /// Everything that is measured, with the levels of now. A level that is missing could not be found out.
    pub fn measured(&self, levels: &[Level]) -> Families {
        self.levels.set(levels);
        Families(self.registry.gather())
    }

    fn labels<'a>(&self, labels: [&'a str; 2], workflow: Option<&'a str>) -> Vec<&'a str> {
        labels.into_iter().chain(self.names_workflows.then_some(workflow.unwrap_or_default())).collect()
    }
}

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let counter = IntCounterVec::new(Opts::new(format!("sidehook_{name}"), help), labels)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

/// The one counter of a family without labels.
fn single(family: &IntCounterVec) -> IntCounter {
    family.with_label_values::<&str>(&[])
}

fn histogram(
    registry: &Registry,
    (name, help): (&str, &str),
    labels: &[&str],
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    let options = HistogramOpts::new(format!("sidehook_{name}"), help).buckets(buckets.to_vec());
    let histogram = HistogramVec::new(options, labels)?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

/// The one histogram of a family without labels.
fn only(family: &HistogramVec) -> Histogram {
    family.with_label_values::<&str>(&[])
}

/// As NocoBase's screens call them (`plugin-workflow/src/server/constants.ts`).
fn status_name(status: i32) -> &'static str {
    match status {
        RESOLVED => "resolved",
        FAILED => "failed",
        ERROR => "error",
        ABORTED => "aborted",
        CANCELED => "canceled",
        REJECTED => "rejected",
        RETRY_NEEDED => "retry_needed",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_in_the_text() {
        let metrics = Metrics::new(true, None);
        let took = Duration::from_millis(3);
        metrics.request_answered(Outcome::Event, 200, Some("k"), took);
        metrics.request_answered(Outcome::Refused, 401, None, took);
        metrics.execution_ended(ExecutionEnded { workflow: "k", is_sync: true, status: -3, took });
        metrics.execution_waited(Duration::from_secs(2));
        metrics.node_ran("condition", took);
        metrics.flushed(3, took, true);
        let text = metrics.measured(&[Level::Backlog(4), Level::Dropped(2), Level::Dropped(5)]).text();
        for line in [
            "sidehook_requests_total{outcome=\"event\",status=\"200\",workflow=\"k\"} 1",
            "sidehook_requests_total{outcome=\"refused\",status=\"401\",workflow=\"\"} 1",
            "sidehook_answer_seconds_bucket{outcome=\"event\",le=\"0.0025\"} 0",
            "sidehook_answer_seconds_bucket{outcome=\"event\",le=\"0.005\"} 1",
            "sidehook_executions_total{mode=\"sync\",status=\"aborted\",workflow=\"k\"} 1",
            "sidehook_queue_seconds_sum 2",
            "sidehook_node_seconds_count{type=\"condition\"} 1",
            "sidehook_flush_records_sum 3",
            "sidehook_flushes_total{outcome=\"committed\"} 1",
            "sidehook_backlog_executions 4",
            "sidehook_request_log_dropped_total 5",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains("sidehook_build_info{version=\""), "{text}");
    }

    #[test]
    fn workflows_are_named_only_where_that_is_wanted() {
        let metrics = Metrics::new(false, None);
        metrics.request_answered(Outcome::Event, 200, Some("k"), Duration::ZERO);
        let text = metrics.measured(&[]).text();
        assert!(text.contains("sidehook_requests_total{outcome=\"event\",status=\"200\"} 1"), "{text}");
    }
}
