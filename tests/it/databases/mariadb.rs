//! How a MariaDB server is set up and started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::daemon::Daemon;
use super::installed;
use super::server::{MAX_CONNECTIONS, Settings, Software, USER};

pub const MARIADB: Software = Software {
    name: "mariadb",
    scheme: "mysql",
    admin_database: "mysql",
    accounts: ["mysql", "nobody"],
    stop_signal: "TERM",
    kill_signal: "KILL",
    set_up,
    start,
};

/// Statements that the server runs whenever it starts, before it takes connections.
const START_FILE: &str = "start.sql";

fn set_up(daemon: &Daemon, password: &str) -> Result<Command> {
    daemon.write(
        START_FILE,
        &format!(
            "CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
             GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        ),
    )?;
    let mut command = Command::new(program(&["mariadb-install-db", "mysql_install_db"])?);
    command.args(["--no-defaults", "--skip-name-resolve", "--skip-test-db"]);
    command.arg(option("datadir", &data(daemon.folder())));
    Ok(command)
}

fn start(folder: &Path, settings: &Settings) -> Result<Command> {
    let mut command = Command::new(program(&["mariadbd", "mysqld"])?);
    command.arg("--no-defaults").arg(option("datadir", &data(folder)));
    command.arg(option("init-file", &folder.join(START_FILE)));
    command.arg(format!("--port={}", settings.port)).arg(format!("--max-connections={MAX_CONNECTIONS}"));
    command.args(["--bind-address=127.0.0.1", "--skip-name-resolve"]);
    // Both are in the data folder: the whole path may be longer than a socket's may be.
    command.args(["--socket=server.sock", "--pid-file=server.pid"]);
    command.args(["--character-set-server=utf8mb4", "--default-time-zone=+00:00"]);
    // In a container the kernel's limit of asynchronous requests is often used up by others.
    command.arg("--innodb-use-native-aio=OFF");
    if !settings.durable {
        command.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF"]);
    }
    Ok(command)
}

fn program(names: &[&str]) -> Result<PathBuf> {
    installed::program(names).context("MariaDB is not installed (on Debian: apt-get install mariadb-server)")
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
