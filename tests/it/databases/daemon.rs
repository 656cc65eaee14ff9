//! A program that runs in a temporary folder, where neither may outlive this process, however it ends: killed,
//! aborted, or normally, in which case values in statics are not dropped.
//!
//! A shell waits at the end of a pipe whose other end only this process holds; Rust opens it close-on-exec, so other
//! programs that tests start don't hold it open. When it closes, the shell ends the program and removes the folder.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::account::Account;

/// Reads the group of the program to watch, a new line whenever it changes, until the pipe closes. Its arguments
/// are the signal that ends the program at once and the folder.
const WATCHDOG: &str = r#"
group=
while read -r line; do group=$line; done
if [ -n "$group" ] && kill -s "$1" -- "-$group"; then
    tries=0
    while kill -s 0 -- "-$group" && [ "$tries" -lt 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -s KILL -- "-$group"
fi
rm -rf -- "$2"
"#;

/// How often a program that is to end is asked whether it has.
const PAUSE: Duration = Duration::from_millis(20);

pub struct Daemon {
    folder: PathBuf,
    account: Option<Account>,
    watchdog: Child,
    /// None only while this is dropped.
    orders: Option<ChildStdin>,
    program: Option<Child>,
}

impl Daemon {
    /// `kill_signal` ends the program at once, with no regard for its data. `accounts` are the users of which the
    /// first one that exists runs the program when this process is root's.
    pub fn new(name: &str, kill_signal: &str, accounts: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("sidehook-{name}-")).tempdir()?;
        let account = Account::instead_of_root(folder.path(), accounts)?;
        if let Some(account) = account {
            account.give(folder.path())?;
        }
        // A group of its own keeps an interrupt from the terminal away from it.
        let mut watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "watchdog", kill_signal])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start /bin/sh")?;
        let orders = watchdog.stdin.take();
        Ok(Self { folder: folder.keep(), account, watchdog, orders, program: None })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file that only the program's user can read.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, content)?;
        if let Some(account) = self.account {
            account.give(&path)?;
        }
        Ok(path)
    }

    /// Runs `command` to its end, which has to be a success.
    pub async fn run(&mut self, command: Command) -> Result<()> {
        let name = command.get_program().display().to_string();
        self.spawn(command)?;
        let status = self.wait().await?;
        ensure!(status.success(), "{name} ended with {status}:\n{}", self.log());
        Ok(())
    }

    /// Starts the program. Its output goes to the log.
    pub fn spawn(&mut self, mut command: Command) -> Result<()> {
        ensure!(self.program.is_none(), "the program of before is still running");
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        if let Some(account) = self.account {
            account.become_in(&mut command);
        }
        command.current_dir(&self.folder).env("LC_ALL", "C").process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let name = command.get_program().display().to_string();
        let program = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let group = program.id();
        self.program = Some(program);
        self.order(&group.to_string())
    }

    /// Sends the program `signal` and waits until it has ended.
    pub async fn stop(&mut self, signal: &str) -> Result<()> {
        if self.program.is_some() {
            self.signal(signal)?;
            self.wait().await?;
        }
        Ok(())
    }

    /// Sends the program `signal`, and leaves it at that.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let Some(program) = &self.program else { return Ok(()) };
        let sent = Command::new("kill").args(["-s", signal, &program.id().to_string()]).status()?;
        ensure!(sent.success(), "cannot send {signal}: {sent}");
        Ok(())
    }

    /// How the program has ended, which is told once; None while it runs.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let Some(program) = &mut self.program else { return Ok(None) };
        let status = program.try_wait()?;
        if status.is_some() {
            self.program = None;
            // Another process may get its id from now on.
            self.order("")?;
        }
        Ok(status)
    }

    /// The end of what the program has written.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines = log.lines().collect::<Vec<_>>();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    async fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tells the watchdog which group of processes to end; none when it is empty.
    fn order(&mut self, group: &str) -> Result<()> {
        let Some(orders) = &mut self.orders else { return Ok(()) };
        writeln!(orders, "{group}").context("the watchdog is gone")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.orders = None;
        // First the program: the watchdog waits until its id is free.
        if let Some(program) = &mut self.program {
            let _ = program.wait();
        }
        let _ = self.watchdog.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeping(seconds: &str) -> Command {
        let mut command = Command::new("sleep");
        command.arg(seconds);
        command
    }

    #[tokio::test]
    async fn program_and_folder_go_with_the_daemon() {
        let mut daemon = Daemon::new("sleep", "KILL", &["nobody"]).unwrap();
        let folder = daemon.folder().to_owned();
        daemon.spawn(sleeping("600")).unwrap();
        assert!(folder.exists() && daemon.ended().unwrap().is_none());
        drop(daemon);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn program_has_time_to_end() {
        let mut daemon = Daemon::new("sh", "TERM", &["nobody"]).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "trap 'sleep 0.5; exit' TERM; echo ready; while :; do sleep 0.1; done"]);
        daemon.spawn(command).unwrap();
        while daemon.log().is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        let begin = std::time::Instant::now();
        drop(daemon);
        assert!(begin.elapsed() >= Duration::from_millis(500));
    }

    #[tokio::test]
    async fn failing_program_is_reported_with_its_output() {
        let mut daemon = Daemon::new("sleep", "KILL", &["nobody"]).unwrap();
        let error = daemon.run(sleeping("never")).await.unwrap_err().to_string();
        assert!(error.starts_with("sleep ended with exit status: 1:\n"), "{error}");
        assert!(error.contains("never"), "{error}");
    }

    #[tokio::test]
    async fn stopped_program_can_be_followed_by_another() {
        let mut daemon = Daemon::new("sleep", "KILL", &["nobody"]).unwrap();
        daemon.spawn(sleeping("600")).unwrap();
        daemon.stop("TERM").await.unwrap();
        daemon.run(sleeping("0")).await.unwrap();
    }
}
