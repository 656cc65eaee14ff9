//! What MySQL and MariaDB are told alike: the account of the tests and how they serve.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::daemon::Daemon;
use super::server::{MAX_CONNECTIONS, Settings, USER};

/// Statements that the server runs whenever it starts, before it takes connections.
const START_FILE: &str = "start.sql";

/// Writes the file that makes the account of the tests.
pub fn write_start_file(daemon: &Daemon, password: &str) -> Result<()> {
    let statements = format!(
        "CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
    );
    daemon.write(START_FILE, &statements).map(drop)
}

/// What a server in this folder serves with.
pub fn serve(command: &mut Command, folder: &Path, settings: &Settings) {
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
}

pub fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

pub fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
