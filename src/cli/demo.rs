//! `sidehook demo`: an SQLite file with three workflows of `examples/`, served at once.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::import::{self, WorkflowFile};
use super::{Settings, output, serve};
use crate::app::open_store;
use crate::clock::{Clock, SystemClock};
use crate::config::{Page, Sample};
use crate::store::Store;

/// Serves three sample workflows. The file is created when it does not exist, and kept.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook demo
  sidehook demo --listen 127.0.0.1:8080 --database /tmp/demo.sqlite")]
pub(super) struct Demo {
    /// The address to serve on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:13080")]
    listen: SocketAddr,
    /// The SQLite file
    #[arg(long, value_name = "FILE", default_value = "sidehook-demo.sqlite")]
    database: PathBuf,
}

/// A workflow of the demo, and what its page sends to it.
struct Sampled {
    file: &'static str,
    body: &'static str,
    authorization: Option<&'static str>,
}

const WORKFLOWS: [Sampled; 3] = [
    Sampled {
        file: include_str!("../../examples/demo-sync.json"),
        body: r#"{"amount":150}"#,
        authorization: None,
    },
    Sampled {
        file: include_str!("../../examples/demo-async.json"),
        body: r#"{"name":"Ada"}"#,
        authorization: None,
    },
    Sampled {
        file: include_str!("../../examples/demo-auth.json"),
        body: "{}",
        // demo:demo
        authorization: Some("Basic ZGVtbzpkZW1v"),
    },
];

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let file = self.database.display().to_string();
        let settings =
            Settings { listen: Some(self.listen), database: Some(file.clone()), ..Settings::default() };
        let (mut config, _log) = settings.load().await?;
        let store = open_store(&config).await?;
        migration::stand_alone(store.db.as_sea_orm(), &store.names).await?;
        store.use_write_ahead_log().await?;
        config.page = Page { is_shown: true, samples: add_missing(&store).await? };
        store.db.close().await?;
        let api = config.http.api_base_path.clone();
        // Serving does not depend on whether anybody reads this.
        let tell = |address| drop(output::line(instructions(address, &api, &file)));
        serve::run_then(config, tell).await
    }
}

/// Adds the workflows that are not there; returns what the page sends to each.
async fn add_missing(store: &Store) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for Sampled { file, body, authorization } in WORKFLOWS {
        let file = WorkflowFile::parse(file)?;
        if !store.has_workflow(&file.key).await? {
            import::add(store, &file, &file.key, true, SystemClock.now()).await?;
        }
        samples.push(Sample { key: file.key, body, authorization });
    }
    Ok(samples)
}

fn instructions(listen: SocketAddr, api: &str, file: &str) -> String {
    let url = format!("http://{listen}{api}webhook:trigger");
    let quoted = format!("'{}'", file.replace('\'', r"'\''"));
    format!(
        r#"sidehook serves three sample workflows from {file}. Open http://{listen}/ in a browser,
or paste a line into another terminal:

  # A synchronous workflow with a condition: 201 from 100 up, else 422
  curl -i {url}/demo-sync -H 'content-type: application/json' -d '{{"amount":150}}'
  curl -i {url}/demo-sync -H 'content-type: application/json' -d '{{"amount":50}}'

  # An asynchronous workflow: 202 at once, its nodes run afterwards
  curl -i {url}/demo-async -H 'content-type: application/json' -d '{{"name":"Ada"}}'

  # Basic authentication: 401 without
  curl -i -u demo:demo {url}/demo-auth -H 'content-type: application/json' -d '{{}}'

  # What was recorded
  sqlite3 {quoted} 'select id, key, status from executions; select nodeKey, status, result from jobs'
"#
    )
}
