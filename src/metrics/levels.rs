//! What is looked up when somebody asks for the metrics.

use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

/// How things stand at the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// Executions that run in this instance.
    Running(usize),
    Workers {
        busy: usize,
        free: usize,
    },
    /// Executions in memory that wait for a time.
    Timers(usize),
    /// Executions in the database that wait for a worker of any instance.
    Backlog(u64),
    /// How long the oldest of those waits, in seconds; 0 without any.
    OldestWait(u64),
    /// Executions that belong to an instance, in the whole database.
    Leases(u64),
    /// Instances that give signs of life.
    Instances(u64),
    /// Threads for JavaScript of one kind.
    Threads {
        crew: &'static str,
        busy: usize,
        abandoned: usize,
    },
    /// Connections to the database.
    Database {
        busy: u32,
        idle: u32,
    },
    /// What bodies and contexts take of `SIDEHOOK_MEMORY`, in bytes.
    Memory {
        used: usize,
        limit: usize,
    },
    /// How old the last sign of life of this instance is, in seconds.
    Silence(f64),
    /// What the queue in front of the database has.
    InFront {
        events: u64,
        bytes: u64,
        dead: u64,
    },
    /// Webhooks that are served.
    Workflows(usize),
    /// Rows that the request log has written by itself so far.
    Written(u64),
    /// Rows that it has dropped so far.
    Dropped(u64),
}

/// The gauges of the levels, and counters that somebody else counts.
pub(super) struct Levels {
    running: IntGauge,
    workers: IntGaugeVec,
    timers: IntGauge,
    backlog: IntGauge,
    oldest_wait: IntGauge,
    leases: IntGauge,
    instances: IntGauge,
    threads: IntGaugeVec,
    database: IntGaugeVec,
    memory: IntGaugeVec,
    silence: Gauge,
    in_front: IntGaugeVec,
    in_front_bytes: IntGaugeVec,
    workflows: IntGauge,
    written: IntCounter,
    dropped: IntCounter,
}

impl Levels {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(format!("sidehook_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntGaugeVec> {
            let gauges = IntGaugeVec::new(Opts::new(format!("sidehook_{name}"), help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok(gauges)
        };
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(format!("sidehook_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let silence = Gauge::new("sidehook_silence_seconds", "How old the last sign of life is.")?;
        registry.register(Box::new(silence.clone()))?;
        gauges("build_info", "The version of sidehook.", &["version"])?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        Ok(Self {
            running: gauge("running_executions", "Executions that run in this instance.")?,
            workers: gauges("workers", "Workers for asynchronous executions.", &["state"])?,
            timers: gauge("timers", "Executions in memory that wait for a time.")?,
            backlog: gauge("backlog_executions", "Executions that wait for a worker of any instance.")?,
            oldest_wait: gauge("backlog_oldest_seconds", "How long the oldest of those has waited.")?,
            leases: gauge("leases", "Executions that belong to an instance, in the whole database.")?,
            instances: gauge("instances", "Instances that give signs of life.")?,
            threads: gauges("script_threads", "Threads for JavaScript.", &["crew", "state"])?,
            database: gauges("database_connections", "Connections to the database.", &["state"])?,
            memory: gauges(
                "memory_bytes",
                "What bodies and contexts take, and may take: SIDEHOOK_MEMORY.",
                &["state"],
            )?,
            in_front: gauges("queue_depth", "Events in the queue in front of the database.", &["state"])?,
            in_front_bytes: gauges("queue_bytes", "The bytes of those that wait.", &["state"])?,
            workflows: gauge("workflows", "Webhooks that are served.")?,
            written: counter("request_log_written_total", "Rows of requests that have no execution.")?,
            dropped: counter("request_log_dropped_total", "Rows that did not fit into the request log.")?,
            silence,
        })
    }

    pub(super) fn set(&self, levels: &[Level]) {
        for level in levels {
            match *level {
                Level::Running(count) => set(&self.running, count as u64),
                Level::Workers { busy, free } => {
                    set(&self.workers.with_label_values(&["busy"]), busy as u64);
                    set(&self.workers.with_label_values(&["free"]), free as u64);
                }
                Level::Timers(count) => set(&self.timers, count as u64),
                Level::Backlog(count) => set(&self.backlog, count),
                Level::OldestWait(seconds) => set(&self.oldest_wait, seconds),
                Level::Leases(count) => set(&self.leases, count),
                Level::Instances(count) => set(&self.instances, count),
                Level::Threads { crew, busy, abandoned } => {
                    set(&self.threads.with_label_values(&[crew, "busy"]), busy as u64);
                    set(&self.threads.with_label_values(&[crew, "abandoned"]), abandoned as u64);
                }
                Level::Database { busy, idle } => {
                    set(&self.database.with_label_values(&["busy"]), busy.into());
                    set(&self.database.with_label_values(&["idle"]), idle.into());
                }
                Level::Memory { used, limit } => {
                    set(&self.memory.with_label_values(&["used"]), used as u64);
                    set(&self.memory.with_label_values(&["limit"]), limit as u64);
                }
                Level::Silence(seconds) => self.silence.set(seconds),
                Level::InFront { events, bytes, dead } => {
                    set(&self.in_front.with_label_values(&["waiting"]), events);
                    set(&self.in_front.with_label_values(&["dead"]), dead);
                    set(&self.in_front_bytes.with_label_values(&["waiting"]), bytes);
                }
                Level::Workflows(count) => set(&self.workflows, count as u64),
                Level::Written(count) => self.written.inc_by(count.saturating_sub(self.written.get())),
                Level::Dropped(count) => self.dropped.inc_by(count.saturating_sub(self.dropped.get())),
            }
        }
    }
}

fn set(gauge: &IntGauge, count: u64) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}
