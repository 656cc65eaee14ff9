//! Which requests a command is about, as arguments say it.

use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::moment::{Moment, moment};
use crate::store::request::RequestFilter;

/// What is said when the log cannot be read.
pub(crate) const UNREAD: &str =
    "the request log cannot be read; `sidehook migrate` creates its table, and so does `sidehook serve`";

/// Which requests. Everything that is given has to hold.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// For this workflow only
    #[arg(long, value_name = "KEY")]
    pub workflow: Option<String>,
    /// That were answered with one of these, such as 401 or 4xx,5xx
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = statuses)]
    pub status: Vec<Statuses>,
    /// Not older than this: a length such as 90s, 1h or 7d, or a time such as 2026-11-27T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Moment>,
    /// Older than this
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,
    /// With this text in the path, the query, the headers, the body, the reason or the delivery id
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
}

/// A status, or all of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statuses(i32, i32);

fn statuses(text: &str) -> anyhow::Result<Statuses> {
    let digits = text.to_ascii_lowercase().replace("xx", "00");
    match digits.parse::<i32>() {
        Ok(status @ 100..=599) if digits.len() == 3 => {
            let is_one = digits.eq_ignore_ascii_case(text);
            Ok(if is_one { Statuses(status, status) } else { Statuses(status, status + 99) })
        }
        _ => bail!("a status is written like 401 or 4xx"),
    }
}

impl Selection {
    /// Whether nothing is given.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { workflow, status, since, until, text } = self;
        workflow.is_none() && status.is_empty() && since.is_none() && until.is_none() && text.is_none()
    }

    /// The same for the store.
    pub(crate) fn filter(&self, now: DateTime<Utc>) -> RequestFilter {
        let time = |moment: Moment| moment.time(now).map(|time| time.timestamp_millis());
        RequestFilter {
            key: self.workflow.clone(),
            statuses: self.status.iter().map(|Statuses(from, to)| (*from, *to)).collect(),
            received_from: self.since.and_then(time),
            received_before: self.until.and_then(time),
            text: self.text.clone().filter(|text| !text.is_empty()),
            ..RequestFilter::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_or_a_hundred() {
        assert_eq!(statuses("401").ok(), Some(Statuses(401, 401)));
        assert_eq!(statuses("4XX").ok(), Some(Statuses(400, 499)));
        for odd in ["4x", "xx4", "40", "600", "", "-44", "4xxx"] {
            assert!(statuses(odd).is_err(), "{odd}");
        }
    }
}
