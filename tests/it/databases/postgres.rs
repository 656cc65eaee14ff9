//! How a PostgreSQL server is set up and started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::daemon::Daemon;
use super::installed;
use super::server::{MAX_CONNECTIONS, Settings, Software, USER};

pub const POSTGRES: Software = Software {
    name: "postgres",
    scheme: "postgres",
    admin_database: "postgres",
    accounts: ["postgres", "nobody"],
    // Ends the connections, then writes everything down.
    stop_signal: "INT",
    // Ends at once, but still removes shared memory, which a server that got `KILL` could not.
    kill_signal: "QUIT",
    set_up,
    start,
};

fn set_up(daemon: &Daemon, password: &str) -> Result<Command> {
    let mut command = Command::new(folder()?.join("initdb"));
    command.arg("--pgdata").arg(data(daemon.folder()));
    command.arg("--pwfile").arg(daemon.write("password", password)?);
    // Passwords go over the loopback interface only, and a test built without optimisation takes 0.2 s for what
    // SCRAM makes a client calculate.
    command.args(["--username", USER, "--auth=password"]);
    command.args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
    Ok(command)
}

fn start(folder_of_server: &Path, settings: &Settings) -> Result<Command> {
    let mut command = Command::new(folder()?.join("postgres"));
    command.arg("-D").arg(data(folder_of_server));
    let mut set = |setting: String| {
        command.arg("-c").arg(setting);
    };
    set(format!("port={}", settings.port));
    set("listen_addresses=127.0.0.1".to_owned());
    set("unix_socket_directories=".to_owned());
    set(format!("max_connections={MAX_CONNECTIONS}"));
    set("timezone=UTC".to_owned());
    if !settings.durable {
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            set(format!("{setting}=off"));
        }
    }
    Ok(command)
}

fn folder() -> Result<PathBuf> {
    installed::folder_with(&["initdb", "postgres"])
        .context("PostgreSQL is not installed (on Debian: apt-get install postgresql)")
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}
