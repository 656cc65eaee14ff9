//! Which executions a command is about, as arguments say it.

use chrono::{DateTime, Utc};
use clap::Args;

use super::status;
use crate::cli::moment::{Moment, moment};
use crate::store::history::ExecutionFilter;

/// Which executions. Everything that is given has to hold.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Of this workflow only
    #[arg(long, value_name = "KEY")]
    pub workflow: Option<String>,
    /// With one of these statuses, such as failed,error
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = one_status)]
    pub status: Vec<Status>,
    /// Not older than this: a length such as 90s, 1h or 7d, or a time such as 2026-11-27T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Moment>,
    /// Older than this
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,
}

/// A status as it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status(Option<i32>);

fn one_status(text: &str) -> anyhow::Result<Status> {
    status::named(text).map(Status)
}

impl Selection {
    /// The same for the store.
    pub(crate) fn filter(&self, now: DateTime<Utc>) -> ExecutionFilter {
        let time = |moment: Moment| moment.time(now);
        ExecutionFilter {
            key: self.workflow.clone(),
            statuses: (!self.status.is_empty()).then(|| self.status.iter().map(|status| status.0).collect()),
            created_from: self.since.and_then(time),
            created_before: self.until.and_then(time),
            id: None,
        }
    }
}
