//! The real binary as a process of its own, for what only a process can show: signals, exit codes, what it prints.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::databases::TestDatabase;
use crate::queue::world::ready_in_front;
use crate::wait::TIMEOUT;

/// A `sidehook` that serves. It is killed when this is dropped.
pub struct Process {
    /// Such as `http://127.0.0.1:40123`.
    pub url: String,
    child: Child,
    printed: Printed,
    readers: Vec<JoinHandle<()>>,
    /// Its working folder, where it is nobody else's.
    _folder: Option<TempDir>,
}

/// All lines that a process has printed so far, of both streams.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<String>>);

/// Runs a command to its end, with nothing in its environment but `settings`.
pub async fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = command(arguments, settings, folder.path()).output();
    let output = tokio::time::timeout(TIMEOUT, output).await.expect("the command ends");
    output.expect("the command starts")
}

/// Runs `serve` on a database to its end.
pub async fn run_serve(database: &TestDatabase, settings: &[(&str, &str)]) -> Output {
    let environment = environment(database, settings);
    let pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    run(&["serve"], &pairs).await
}

impl Process {
    /// Starts `serve` on a free port and waits until it serves.
    pub async fn serve(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let environment = environment(database, settings);
        let pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = Self::start_in(folder.path(), &["serve"], &pairs).await;
        ready_in_front(&process.url, settings).await;
        Self { _folder: Some(folder), ..process }
    }

    /// The same with a bound on its file descriptors.
    pub async fn serve_limited(database: &TestDatabase, settings: &[(&str, &str)], descriptors: u32) -> Self {
        Self::serve_under(&format!("ulimit -n {descriptors}"), database, settings).await
    }

    /// The same after a command of the shell that says how it is to run.
    pub async fn serve_under(prelude: &str, database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let environment = environment(database, settings);
        let pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = format!("{prelude}; exec {} serve", env!("CARGO_BIN_EXE_sidehook"));
        let mut command = shell(&script, &pairs, folder.path());
        let process = Self::wait(command.spawn().expect("a shell starts")).await;
        Self { _folder: Some(folder), ..process }
    }

    /// Its number among the instances of its database, as its log tells it.
    pub fn number(&self) -> i32 {
        let printed = self.printed();
        let mut lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let started = lines.find(|line| line["message"] == "sidehook has started");
        let number = started.as_ref().and_then(|line| line["instance"].as_i64());
        number
            .and_then(|number| i32::try_from(number).ok())
            .unwrap_or_else(|| panic!("no number:\n{printed}"))
    }

    /// Starts a command that serves, and waits until it does.
    pub async fn start_in(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::wait(command(arguments, settings, folder).spawn().expect("sidehook starts")).await
    }

    async fn wait(mut child: Child) -> Self {
        let printed = Printed::default();
        let readers = vec![
            printed.follow(child.stdout.take().expect("its standard output")),
            printed.follow(child.stderr.take().expect("its standard error")),
        ];
        let mut process = Self { url: String::new(), child, printed, readers, _folder: None };
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(address) = process.address() {
                process.url = format!("http://{address}");
                return process;
            }
            let ended = process.child.try_wait().expect("a child process");
            assert!(ended.is_none(), "sidehook ended with {ended:?}:\n{}", process.printed());
            assert!(Instant::now() < deadline, "sidehook does not serve:\n{}", process.printed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        self.printed.text()
    }

    pub fn trigger_url(&self, key: &str) -> String {
        format!("{}/api/webhook:trigger/{key}", self.url)
    }

    /// Sends a signal, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it has not ended").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.expect("kill runs");
        assert!(sent.success(), "{name} cannot be sent: {sent}");
    }

    /// The number that the system knows it by.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it has not ended")
    }

    /// Waits for its end, and until all that it has printed is there.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(TIMEOUT, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("sidehook does not end:\n{}", self.printed()));
        for reader in self.readers.drain(..) {
            reader.await.expect("a reader does not panic");
        }
        status.expect("a child process")
    }

    /// The most memory that it has had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it has now, in bytes.
    pub fn resident_memory(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> u64 {
        let id = self.child.id().expect("it has not ended");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("its memory");
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
        kilobytes * 1024
    }

    /// The address in the log line that says so.
    fn address(&self) -> Option<String> {
        let printed = self.printed();
        let mut lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.find(|line| line["message"] == "serving")?;
        line["address"].as_str().map(str::to_owned)
    }
}

impl Printed {
    fn follow(&self, stream: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let printed = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                let mut all = printed.0.lock().expect("no panic while it is held");
                all.push_str(&String::from_utf8_lossy(&line));
                all.push('\n');
            }
        })
    }

    fn text(&self) -> String {
        self.0.lock().expect("no panic while it is held").clone()
    }
}

fn command(arguments: &[&str], settings: &[(&str, &str)], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidehook"));
    command.args(arguments).env_clear().env("SIDEHOOK_LOG_FORMAT", "json");
    command.envs(settings.iter().copied()).current_dir(folder).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A script of a shell.
pub fn shell(script: &str, settings: &[(&str, &str)], folder: &Path) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", script]).env_clear().env("SIDEHOOK_LOG_FORMAT", "json");
    command
        .envs(settings.iter().copied())
        .env("PATH", "/usr/bin:/bin")
        .current_dir(folder)
        .kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn environment(database: &TestDatabase, settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = database.env().into_iter().collect();
    environment.insert("SIDEHOOK_LISTEN".to_owned(), "127.0.0.1:0".to_owned());
    environment.extend(settings.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    environment
}
