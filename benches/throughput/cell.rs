//! One measurement: a workflow, so many connections, what that has cost, and whether something was not answered with 2xx or
//! lost.

use std::time::{Duration, Instant};

use crate::database::Database;
use crate::ground::process;
use crate::load::{self, Outcome};
use crate::pgbench::Reference;
use crate::sidehook::Sidehook;
use crate::workflows::Workflow;

/// The last execution may end so long after the last answer; some runs of the past were slower than their answers.
const PATIENCE: Duration = Duration::from_secs(300);

pub const HEAD: &str = "connections   answers/s   drain s   executions/s   x single   x grouped     p50 ms   p99 ms  p99.9 ms   \
                        executions/tx   CPU µs: sidehook   database   peak MB";

pub struct Cell<'a> {
    pub database: &'a Database,
    pub sidehook: &'a Sidehook,
    pub workflow: Workflow,
    pub is_sync: bool,
    pub connections: usize,
    pub span: Duration,
}

impl Cell<'_> {
    /// Measures it and returns its line, and what is wrong with it.
    pub async fn measure(&self, pgbench: Option<&Reference>) -> (String, Option<String>) {
        let Self { database, sidehook, workflow, connections, .. } = self;
        let key = workflow.key(self.is_sync);
        // Its libraries are loaded and its connections open by then.
        load::run(&sidehook.address, &key, workflow.body(), *connections, Duration::from_millis(300)).await;
        self.drained().await;
        sidehook.forget_peak();
        let (before, flushes) = (database.progress().await, sidehook.flushes().await);
        let own = process::own(sidehook.id());
        let outcome = load::run(&sidehook.address, &key, workflow.body(), *connections, self.span).await;
        let drain = self.drained().await.as_secs_f64();
        let own = process::own(sidehook.id()) - own;
        let (after, flushes) = (database.progress().await, sidehook.flushes().await - flushes);
        let (written, ended) = database.executions(before).await;
        let fault = self.fault(&outcome, written, ended);
        let (executions, loading) = (ended as f64, outcome.elapsed.as_secs_f64());
        let rate = executions / (loading + drain);
        // In hundredths of a second.
        let each = |hundredths: u64| format!("{:.0}", hundredths as f64 * 10_000.0 / executions);
        let taken = after.taken.zip(before.taken).map(|(after, before)| each(after - before));
        // It writes the rows of this workflow, in its synchronous form.
        let pgbench = pgbench.filter(|_| *workflow == Workflow::Two);
        let times = |other: Option<f64>| other.map_or("-".to_owned(), |other| format!("{:.2}", rate / other));
        let line = format!(
            "{connections:>11} {:>11.0} {drain:>9.2} {rate:>14.0} {:>10} {:>11} {:>10.2} {:>8.2} {:>9.2} {:>15.1} {:>18} {:>10} {:>9.0}",
            outcome.answers() as f64 / loading,
            times(pgbench.map(|rates| rates.single)),
            times(pgbench.map(|rates| rates.grouped)),
            outcome.percentile(0.5),
            outcome.percentile(0.99),
            outcome.percentile(0.999),
            executions / flushes.max(1.0),
            each(own),
            taken.unwrap_or_else(|| "-".to_owned()),
            sidehook.peak(),
        );
        (line, fault)
    }

    /// Waits until nothing runs any more; how long that took.
    async fn drained(&self) -> Duration {
        let begun = Instant::now();
        while !self.database.is_drained().await {
            assert!(begun.elapsed() < PATIENCE, "{}: executions do not end", self.name());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    /// What is wrong with what came of it; nothing where all answers were 2xx, and each of their executions has succeeded.
    fn fault(&self, outcome: &Outcome, written: i64, ended: i64) -> Option<String> {
        let (answers, failures) = (outcome.answers(), outcome.failures);
        let good = i64::try_from(answers - failures).ok()?;
        if (failures, written, ended) == (0, good, good) {
            return None;
        }
        Some(format!(
            "FAULT: {}: of {answers} answers {failures} were not 2xx; {written} executions were written, {ended} have succeeded",
            self.name()
        ))
    }

    fn name(&self) -> String {
        let mode = if self.is_sync { "synchronous" } else { "asynchronous" };
        let Self { database, workflow, connections, .. } = self;
        format!("{}, {}, {mode}, {connections} connections", database.product, workflow.about())
    }
}
