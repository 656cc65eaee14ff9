//! The command line: one file per command.

mod check;
mod completions;
mod demo;
mod descriptors;
mod env_file;
mod executions;
mod healthcheck;
mod import;
mod in_process;
mod listen;
mod manage;
mod migrate;
mod moment;
mod nodes;
mod outgoing;
mod output;
mod prune;
mod queue;
mod reachable;
mod replay;
mod requests;
mod self_test;
mod send;
pub mod serve;
mod signals;
mod status;
mod told;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::app::{UNOPENED, connect};
use crate::apps;
use crate::config::{Config, MAIN, Sources, sqlite_url};
use crate::telemetry::{self, Log};
use output::ReaderGone;
use told::complain;

/// A webhook sidecar for NocoBase: answers webhooks, runs their workflows and records them in NocoBase's own
/// tables.
#[derive(Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  sidehook demo                                    try it without NocoBase
  sidehook serve --env-file /app/nocobase/.env     serve beside NocoBase
  sidehook check --env-file /app/nocobase/.env     say what serving that NocoBase would need
  sidehook status --env-file .env                  say who is alive, what waits and what has failed
  sidehook executions --env-file .env              list what has run
  sidehook requests --status 4xx --env-file .env   list what was refused, and why
  sidehook prune --until 30d --env-file .env       say what could be removed of it
  sidehook nodes                                   list the node types that sidehook runs"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the webhooks of a NocoBase database
    Serve(serve::Serve),
    /// Say what is wrong with a NocoBase database and its webhook workflows
    Check(check::Check),
    /// Ask a running sidehook whether it can take events
    Healthcheck(healthcheck::Healthcheck),
    /// Serve three sample workflows from an SQLite file, and print how to call them
    Demo(demo::Demo),
    /// Create sidehook's own tables, or all tables of a stand-alone database
    Migrate(migrate::Migrate),
    /// Add a workflow from a file
    Import(import::Import),
    /// List the node types that sidehook runs, with examples
    Nodes(nodes::Nodes),
    /// List executions, with their jobs and results
    Executions(executions::Executions),
    /// List requests, with what became of them
    Requests(requests::Requests),
    /// Print each request for a webhook as it arrives
    Listen(listen::Listen),
    /// Send a test event to a webhook
    Send(send::Send),
    /// Send recorded requests once more
    Replay(replay::Replay),
    /// Say what is in the queue in front of the database, and put events back that were put aside
    Queue(queue::Queue),
    /// Remove old executions
    Prune(prune::Prune),
    /// Say which instances are alive, what waits for them and what has failed lately
    Status(status::Status),
    /// Run the examples of all node types on a temporary database
    SelfTest(self_test::SelfTest),
    /// Print a script of completions for a shell
    Completions(completions::Completions),
    /// Print the manual page
    Man(completions::Man),
}

/// Where the settings come from; what is given here wins over the environment and the file.
#[derive(Args, Clone, Default)]
pub struct Settings {
    /// The address to serve on [default: 0.0.0.0:13080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// The database: a postgres:// or mysql:// URL, or an SQLite file
    #[arg(long, value_name = "URL|FILE")]
    pub database: Option<String>,
    /// A file of settings, see config.example.toml [default: sidehook.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A file of environment variables, such as NocoBase's .env; of several the later one wins
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// The application of NocoBase that is meant, where it has several [default: main]
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
}

/// The whole of the program: parses the arguments of this process, runs the command, and tells why it fails.
///
/// The runtime is started here and not in the executable, because what awaits a future is what it is compiled into: all
/// commands would be compiled twice.
#[tokio::main]
pub async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        // `sidehook nodes | head` is no failure.
        Err(err) if err.is::<ReaderGone>() => ExitCode::SUCCESS,
        Err(err) => {
            complain(&err);
            ExitCode::FAILURE
        }
    }
}

/// The futures of the commands are boxed: nested as they are, their types are deeper than the compiler looks.
async fn run() -> anyhow::Result<()> {
    let outcome = match Cli::parse().command {
        Command::Serve(serve) => Box::pin(serve.run()).await,
        Command::Check(check) => Box::pin(check.run()).await,
        Command::Healthcheck(healthcheck) => Box::pin(healthcheck.run()).await,
        Command::Demo(demo) => Box::pin(demo.run()).await,
        Command::Migrate(migrate) => Box::pin(migrate.run()).await,
        Command::Import(import) => Box::pin(import.run()).await,
        Command::Nodes(nodes) => nodes.run(),
        Command::Executions(executions) => Box::pin(executions.run()).await,
        Command::Requests(requests) => Box::pin(requests.run()).await,
        Command::Listen(listen) => Box::pin(listen.run()).await,
        Command::Send(send) => Box::pin(send.run()).await,
        Command::Replay(replay) => Box::pin(replay.run()).await,
        Command::Queue(queue) => Box::pin(queue.run()).await,
        Command::Prune(prune) => Box::pin(prune.run()).await,
        Command::Status(status) => Box::pin(status.run()).await,
        Command::SelfTest(test) => Box::pin(test.run()).await,
        Command::Completions(completions) => completions.run(Cli::command()),
        Command::Man(man) => man.run(Cli::command()),
    };
    outcome.and_then(|()| output::flush())
}

impl Settings {
    /// Reads all sources, sets up logging and returns the settings, and the log to be kept until the end.
    pub async fn load(self) -> anyhow::Result<(Config, Log)> {
        let app = self.app.clone();
        Self::load_from(&self.sources()?, app).await
    }

    /// The same for a command that runs a server on the side: unless a filter is set, it logs what is wrong only.
    pub async fn load_quietly(self) -> anyhow::Result<(Config, Log)> {
        let app = self.app.clone();
        let mut sources = self.sources()?;
        sources.environment.entry("SIDEHOOK_LOG".to_owned()).or_insert_with(|| "warn".to_owned());
        Self::load_from(&sources, app).await
    }

    async fn load_from(sources: &Sources, app: Option<String>) -> anyhow::Result<(Config, Log)> {
        let config = Config::load(sources)?;
        let log = telemetry::start(&config.log.filter, config.log.format)?;
        config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let config = match app.filter(|name| name != MAIN) {
            Some(name) => Box::pin(of_app(config, &name)).await?,
            None => config,
        };
        Ok((config, log))
    }

    /// Where the settings are to be found, with what the files of variables and the arguments say.
    fn sources(self) -> anyhow::Result<Sources> {
        let mut environment = BTreeMap::new();
        for path in &self.env_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            // Logging is set up by what stands in this file.
            for line in env_file::passed_over(&text) {
                eprintln!("sidehook: line {line} of {} is passed over: it is no NAME=value", path.display());
            }
            environment.extend(env_file::parse(&text));
        }
        environment.extend(own_environment());
        if let Some(listen) = self.listen {
            environment.insert("SIDEHOOK_LISTEN".to_owned(), listen.to_string());
        }
        if let Some(database) = self.database {
            environment.insert("SIDEHOOK_DATABASE_URL".to_owned(), database_url(&database));
        }
        let default_file = || Some(PathBuf::from("sidehook.toml")).filter(|path| path.exists());
        Ok(Sources { file: self.config.or_else(default_file), environment })
    }
}

/// The configuration of a sub-application, as the main database says it.
async fn of_app(mut main: Config, name: &str) -> anyhow::Result<Config> {
    main.database.address = main.database.address.without_creating();
    let store = connect(&main).await.context(UNOPENED)?;
    let found = apps::of_app(&main, &store, name).await;
    let _ = store.db.close().await;
    found.with_context(|| format!("the application {name} cannot be used"))
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn own_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
}

/// A URL as it is; anything else is an SQLite file.
fn database_url(database: &str) -> String {
    match database.split_once("://") {
        Some(("mariadb", rest)) => format!("mysql://{rest}"),
        Some(("postgresql", rest)) => format!("postgres://{rest}"),
        Some(_) => database.to_owned(),
        None => sqlite_url(database.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_no_url_is_a_file() {
        assert_eq!(database_url("/data/my x.sqlite"), "sqlite:///data/my%20x.sqlite?mode=rwc");
        assert!(database_url("x.sqlite").starts_with("sqlite:///"));
        assert_eq!(database_url("postgresql://h/d"), "postgres://h/d");
    }
}
