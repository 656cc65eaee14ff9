//! `sidehook executions show`: one execution with its jobs as a tree: each below the one that it came after.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, bail};
use clap::Args;
use entity::{JsonText, job};

use super::{seconds, status};
use crate::app::{UNOPENED, connect};
use crate::cli::moment::local;
use crate::cli::{Settings, output};
use crate::store::history::{ExecutionFilter, Past};

/// At most so many jobs are printed.
const JOBS: u64 = 2000;
/// Results are cut after so many characters unless all of them are asked for.
const RESULT: usize = 200;

/// Prints an execution with its context, its jobs and their results.
#[derive(Args)]
#[command(after_help = "\
Example:
  sidehook executions show 353920193101824 --env-file .env")]
pub(super) struct Show {
    /// The id of the execution, from `sidehook executions`
    id: i64,
    /// Print context, output and results whole
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    settings: Settings,
}

/// A job with the title of its node.
type Titled = (job::Model, Option<String>);

impl Show {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (config, _log) = self.settings.load().await?;
        let store = connect(&config).await.context(UNOPENED)?;
        let filter = ExecutionFilter { id: Some(self.id), ..ExecutionFilter::default() };
        let found = store.past_executions(&filter, 1).await.context("the executions cannot be read")?;
        let Some(past) = found.first() else { bail!("no execution has the id {}", self.id) };
        let limit = if self.full { usize::MAX } else { RESULT };
        for fact in facts(past) {
            output::line(fact)?;
        }
        if let Some((context, result)) = store.context_and_output(self.id).await? {
            output::line(format!("context    {}", value(context.as_ref(), limit)))?;
            output::line(format!("output     {}", value(result.as_ref(), limit)))?;
        }
        output::line("")?;
        let jobs = store.past_jobs(self.id, JOBS).await?;
        tree(&jobs, limit).into_iter().try_for_each(output::line)?;
        if jobs.len() as u64 == JOBS {
            output::line(format!("… only the first {JOBS} jobs are shown"))?;
        }
        Ok(())
    }
}

fn facts(past: &Past) -> [String; 4] {
    let title = output::printable(past.title.as_deref().unwrap_or("(deleted)"));
    let reason = past.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let length = seconds(past).map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3} s"));
    [
        format!("workflow   {title} ({})", past.key.as_deref().unwrap_or("-")),
        format!("status     {}{reason}", status::name(past.status)),
        format!("created    {}", local(past.created_at)),
        format!("ran        {length}"),
    ]
}

/// One line for each job. A job stands below the one that it came after, moved to the right where several came after
/// the same: branches, and rounds of loops.
fn tree(jobs: &[Titled], limit: usize) -> Vec<String> {
    let ids: HashSet<i64> = jobs.iter().map(|(job, _)| job.id).collect();
    let mut after: HashMap<Option<i64>, Vec<&Titled>> = HashMap::new();
    for job in jobs {
        let upstream = job.0.upstream_id.filter(|id| ids.contains(id) && *id != job.0.id);
        after.entry(upstream).or_default().push(job);
    }
    let mut lines = Vec::new();
    let mut open: Vec<(&Titled, usize)> = Vec::new();
    let push = |open: &mut Vec<(_, _)>, upstream: Option<i64>, depth: usize| {
        let next = after.get(&upstream).map(Vec::as_slice).unwrap_or_default();
        let depth = if next.len() > 1 && upstream.is_some() { depth + 1 } else { depth };
        open.extend(next.iter().rev().map(|job| (*job, depth)));
    };
    push(&mut open, None, 0);
    while let Some((job, depth)) = open.pop() {
        lines.push(line(job, depth, limit));
        push(&mut open, Some(job.0.id), depth);
    }
    lines
}

fn line((job, title): &Titled, depth: usize, limit: usize) -> String {
    let name = output::printable(title.as_deref().or(job.node_key.as_deref()).unwrap_or("(deleted)"));
    let (status, result) = (status::name(job.status), value(job.result.as_ref(), limit));
    format!("{:indent$}{status:<9} {name}: {result}", "", indent = depth * 2)
}

/// A JSON text, cut after `limit` characters, without what would steer a terminal.
fn value(text: Option<&JsonText>, limit: usize) -> String {
    let Some(JsonText(text)) = text else { return "-".to_owned() };
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = text.chars().take(limit).map(printable).collect();
    if shown.len() < text.len() { format!("{shown}… ({} bytes)", text.len()) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: i64, upstream_id: Option<i64>, name: &str) -> Titled {
        let result = Some(JsonText(format!("{{\"n\":{id}}}")));
        let job = job::Model {
            id,
            execution_id: Some(1),
            node_id: Some(id),
            node_key: None,
            upstream_id,
            status: Some(1),
            meta: None,
            result,
        };
        (job, Some(name.to_owned()))
    }

    #[test]
    fn jobs_are_a_tree_with_branches_to_the_right() {
        let jobs = [
            job(1, None, "loop"),
            job(2, Some(1), "a"),
            job(3, Some(2), "b"),
            job(4, Some(1), "a"),
            job(5, Some(99), "of a job that is gone"),
        ];
        assert_eq!(
            tree(&jobs, 100),
            [
                "resolved  loop: {\"n\":1}",
                "  resolved  a: {\"n\":2}",
                "  resolved  b: {\"n\":3}",
                "  resolved  a: {\"n\":4}",
                "resolved  of a job that is gone: {\"n\":5}",
            ]
        );
    }

    #[test]
    fn long_and_missing_results_are_told() {
        assert_eq!(value(None, 10), "-");
        assert_eq!(value(Some(&JsonText("\"añ\u{1b}bcd\"".into())), 4), "\"añ … (9 bytes)");
    }
}
