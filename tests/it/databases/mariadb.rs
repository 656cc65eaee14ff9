//! How a MariaDB server is set up and started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::daemon::Daemon;
use super::installed;
use super::mysql_kin::{data, option, serve, write_start_file};
use super::server::{Settings, Software};

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

fn set_up(daemon: &Daemon, password: &str) -> Result<Command> {
    write_start_file(daemon, password)?;
    let mut command = Command::new(program(&["mariadb-install-db", "mysql_install_db"])?);
    command.args(["--no-defaults", "--skip-name-resolve", "--skip-test-db"]);
    command.arg(option("datadir", &data(daemon.folder())));
    Ok(command)
}

fn start(folder: &Path, settings: &Settings) -> Result<Command> {
    let mut command = Command::new(program(&["mariadbd", "mysqld"])?);
    command.arg("--no-defaults").arg(option("datadir", &data(folder)));
    serve(&mut command, folder, settings);
    Ok(command)
}

fn program(names: &[&str]) -> Result<PathBuf> {
    installed::program(names).context("MariaDB is not installed (on Debian: apt-get install mariadb-server)")
}
