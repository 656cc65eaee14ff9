//! `sidehook listen`: prints each request for a webhook as it arrives, from the request log.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use entity::request;

use super::requests::{Body, follow, headers, line};
use super::{Settings, output};
use crate::app::{UNOPENED, connect};
use crate::clock::{Clock, SystemClock};
use crate::store::Store;
use crate::store::request::RequestFilter;

/// So long servers keep bodies after they were last told to.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// Prints each request for a webhook as it arrives, whichever server of the database answers it, until Ctrl-C.
#[derive(Args)]
#[command(after_help = "\
For a key the bodies of all requests are kept while this runs, and up to five minutes longer; the workflow need not be
enabled. With SIDEHOOK_REQUESTS=off servers keep nothing.

Examples:
  sidehook listen orders --env-file .env
  sidehook listen /orders/shop --env-file .env")]
pub(super) struct Listen {
    /// The key of a workflow, or a path
    #[arg(value_name = "KEY|PATH")]
    target: String,
    /// Print headers, too
    #[arg(long)]
    headers: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Listen {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (config, _log) = self.settings.load().await?;
        let store = connect(&config).await.context(UNOPENED)?;
        let filter = RequestFilter {
            about: Some(self.target.clone()),
            received_from: Some(SystemClock.now().timestamp_millis()),
            ..RequestFilter::default()
        };
        let is_coloured = std::io::stdout().is_terminal();
        eprintln!("Listening for {}; Ctrl-C ends it.", output::printable(&self.target));
        let print = |row: &request::Model| {
            let lines = block(row, self.headers, is_coloured);
            lines.into_iter().try_for_each(output::line)
        };
        tokio::select! {
            outcome = follow(&store, filter, Vec::new(), print) => outcome,
            outcome = keep_bodies(&store, &self.target) => outcome,
        }
    }
}

/// Has servers keep the bodies of requests for a workflow, as long as this is polled and a little longer. A path is
/// nobody's key.
async fn keep_bodies(store: &Store, key: &str) -> anyhow::Result<()> {
    loop {
        let (id, now) = (i64::from(rand::random::<u32>()), SystemClock.now().timestamp_millis());
        let ends_at = now + i64::try_from(KEPT_FOR.as_millis())?;
        let told = store.listen(id, key, Some(ends_at), now).await;
        if !told
            .context("sidehook's tables cannot be written; has this version served this database before?")?
        {
            eprintln!("Others wait for too many webhooks: bodies may be missing.");
        }
        tokio::time::sleep(KEPT_FOR / 2).await;
    }
}

/// A request as some lines.
fn block(row: &request::Model, with_headers: bool, is_coloured: bool) -> Vec<String> {
    let dim = |text: String| if is_coloured { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text };
    let mut lines = vec![line::line(row, is_coloured)];
    if with_headers {
        lines.extend(headers(row).map(|(name, value)| dim(output::printable(&format!("{name}: {value}")))));
    }
    match Body::of(row) {
        Body::None => {}
        Body::Left => lines.push(dim(format!("({} bytes, which are not kept)", row.body_size))),
        Body::Whole(bytes) => lines.extend(readable(&bytes)),
        Body::Cut(bytes) => {
            lines.extend(readable(&bytes));
            lines.push(dim(format!("(the first {} of {} bytes)", bytes.len(), row.body_size)));
        }
    }
    lines.push(String::new());
    lines
}

/// JSON with a member in each line; other texts as they are.
fn readable(bytes: &[u8]) -> Vec<String> {
    let pretty = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    let pretty = pretty.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let Some(text) = pretty.or_else(|| String::from_utf8(bytes.to_vec()).ok()) else {
        return vec![format!("({} bytes that are no text)", bytes.len())];
    };
    text.lines().map(output::printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line_with_its_body_below() {
        let row = request::Model {
            status: Some(200),
            method: "POST".to_owned(),
            path: "/in".to_owned(),
            headers: r#"[["x-a","b"]]"#.to_owned(),
            body: Some(r#"{"a":[1]}"#.to_owned()),
            body_size: 9,
            ..request::Model::default()
        };
        let lines = block(&row, true, false);
        assert_eq!(lines[1..], ["x-a: b", "{", "  \"a\": [", "    1", "  ]", "}", ""].map(str::to_owned));
        assert!(block(&row, false, true)[0].contains("\u{1b}[32m200"));
        let left = request::Model { body: None, ..row };
        assert_eq!(block(&left, false, false)[1], "(9 bytes, which are not kept)");
    }
}
