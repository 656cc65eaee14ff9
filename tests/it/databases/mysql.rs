//! How a MySQL server is set up and started. Debian's stable release has MariaDB only, so MySQL is not installed but lies
//! in a folder with all that it needs, its C library included: the root of another Debian, as `.ci/mysql` makes it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::daemon::Daemon;
use super::mysql_kin::{data, option, serve, write_start_file};
use super::server::{Settings, Software};

pub const MYSQL: Software = Software {
    name: "mysql",
    scheme: "mysql",
    admin_database: "mysql",
    accounts: ["mysql", "nobody"],
    stop_signal: "TERM",
    kill_signal: "KILL",
    set_up,
    start,
};

/// Names the folder.
const ROOT_VARIABLE: &str = "SIDEHOOK_TEST_MYSQL_ROOT";

fn set_up(daemon: &Daemon, password: &str) -> Result<Command> {
    write_start_file(daemon, password)?;
    let mut command = server(daemon.folder())?;
    command.args(["--initialize-insecure", "--innodb-use-native-aio=OFF"]);
    Ok(command)
}

fn start(folder: &Path, settings: &Settings) -> Result<Command> {
    let mut command = server(folder)?;
    serve(&mut command, folder, settings);
    // NocoBase's collation, so that texts of tables and of statements compare alike.
    command.args(["--mysqlx=OFF", "--collation-server=utf8mb4_unicode_ci"]);
    Ok(command)
}

/// The program, run with the C library that lies beside it.
fn server(folder: &Path) -> Result<Command> {
    let root = env::var_os(ROOT_VARIABLE).filter(|root| !root.is_empty());
    let root =
        root.map(PathBuf::from).with_context(|| format!("{ROOT_VARIABLE} does not name its folder"))?;
    let program = root.join("usr/sbin/mysqld");
    let loader = ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"].map(|name| root.join(name));
    let loader = loader.into_iter().find(|path| program.is_file() && path.is_file()).with_context(|| {
        format!("there is no MySQL below {} (on Debian: .ci/mysql puts it there)", root.display())
    })?;
    let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib/mysql/private"];
    let mut command = Command::new(loader);
    command.arg("--library-path").arg(env::join_paths(libraries.map(|name| root.join(name)))?);
    command.arg(program).arg("--no-defaults").arg(option("datadir", &data(folder)));
    command.args(["--secure-file-priv=", "--skip-log-bin"]);
    command
        .arg(option("basedir", &root.join("usr")))
        .arg(option("lc-messages-dir", &root.join("usr/share/mysql")));
    command.arg(option("plugin-dir", &root.join("usr/lib/mysql/plugin")));
    command.arg(option("character-sets-dir", &root.join("usr/share/mysql/charsets")));
    Ok(command)
}
