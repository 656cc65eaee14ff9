//! What documents tell to type, in blocks of the language `console` behind `$ `. Commands of sidehook are run on an SQLite
//! database, those of curl against its demo; others are in a list of what else runs them. A block that needs what this
//! machine does not have says so on the line before it: `<!-- needs docker -->`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::{Document, documents, root};
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::{Process, shell};
use crate::server::{TestServer, on_databases};
use crate::wait::TIMEOUT;

/// The beginning of a command, the file that runs it, and how it stands there.
const RUN_ELSEWHERE: &[(&str, &str, &str)] = &[
    ("(cd plugin && npm ci", ".ci/run", "(cd plugin && npm ci"),
    ("cargo bench --bench expr", ".ci/full", "cargo bench --bench expr"),
    ("cargo bench --bench instructions", ".ci/full", "cargo bench --bench instructions"),
    ("cargo bench --bench large", ".ci/full", "cargo bench --bench large"),
    ("cargo bench --bench queued", ".ci/full", "cargo bench --bench queued"),
    ("cargo bench --bench rest", ".ci/full", "cargo bench --bench rest"),
    ("cargo bench --bench scale", ".ci/full", "cargo bench --bench scale"),
    ("cargo bench --bench secrets", ".ci/full", "cargo bench --bench secrets"),
    ("cargo bench --bench throughput", ".ci/full", "cargo bench --bench throughput"),
    ("cargo clippy --workspace --all-targets", ".ci/run", "cargo clippy --workspace --all-targets"),
    ("cargo deny check bans licenses sources", ".ci/run", "check bans licenses sources"),
    ("cargo fmt --all --check", ".ci/run", "cargo fmt --all --check"),
    ("cargo install --path . --locked", ".ci/full", "cargo install --path . --locked"),
    ("cargo test", ".ci/run", "cargo test"),
    (
        "npm ci && npm run build",
        ".ci/run",
        "npm ci --silent --no-audit --no-fund && npm run --silent check && npm run --silent build",
    ),
    ("tests/documents/book", ".ci/full", "tests/documents/book"),
    ("tests/e2e/up && tests/e2e/compare", ".ci/full", "tests/e2e/compare"),
    ("tests/image/build TARGETARCH=arm64", ".ci/full", "tests/image/build TARGETARCH=arm64"),
    ("tests/image/build", ".ci/full", "tests/image/build\n"),
    ("tests/system/release", ".ci/full", "tests/system/release"),
    ("tests/system/target", ".github/workflows/release.yml", "tests/system/target ${{ matrix.target }}"),
];

/// Commands that go on until they are ended, and what they have printed once they do what they are for.
const GO_ON: &[(&str, &str)] = &[
    ("sidehook demo", "sidehook serves"),
    ("sidehook listen", "Listening for"),
    ("sidehook requests --workflow orders --follow", "orders"),
    ("sidehook serve", "\"serving\""),
];

/// Commands that fail here, and the words with which they are to fail.
const FAIL: &[(&str, &str)] = &[
    // The workflow is still the same.
    ("sidehook executions retry", "have not resolved"),
    ("sidehook replay --since 1d --to", "were not taken"),
    ("sidehook replay --status 5xx", "were not taken"),
];

/// A command, where it stands, and the line that is printed below it.
struct Told<'a> {
    place: String,
    command: &'a str,
    printed: &'a str,
}

/// The commands of a document that are to be run: without those of marked blocks, and without comments.
fn commands(document: &Document) -> Vec<Told<'_>> {
    let mut found = Vec::new();
    for block in document.parts().0 {
        let place = format!("{}:{}", document.path.display(), block.line);
        assert!(
            !["sh", "bash", "shell"].contains(&block.language),
            "{place}: commands belong into a block of the language console, behind `$ `"
        );
        if block.language != "console" || block.needs.is_some_and(|what| !what.is_empty()) {
            continue;
        }
        assert!(block.lines.iter().any(|line| line.starts_with("$ ")), "{place}: there is no command");
        for (index, line) in block.lines.iter().enumerate() {
            let Some(line) = line.strip_prefix("$ ") else { continue };
            let command = line.split(" # ").next().unwrap_or(line).trim();
            let printed = block.lines.get(index + 1).copied().unwrap_or_default();
            found.push(Told { place: place.clone(), command, printed });
        }
    }
    found
}

/// Whether it is run here; the command as it is typed where sidehook is installed.
fn here(command: &str) -> Option<String> {
    let command = command.replace("cargo run --release -- ", "sidehook ");
    let is_ours = command.starts_with("sidehook ") || command.starts_with("curl ");
    is_ours.then_some(command)
}

#[test]
fn every_command_is_run_by_something() {
    let documents = documents();
    let (mut seen, mut used, mut faults) = (0, vec![false; RUN_ELSEWHERE.len()], Vec::new());
    for told in documents.iter().flat_map(commands) {
        seen += 1;
        let listed = RUN_ELSEWHERE.iter().position(|(beginning, ..)| told.command.starts_with(beginning));
        match listed {
            Some(place) => used[place] = true,
            None if here(told.command).is_some() => {}
            None => faults.push(format!("{}: {}", told.place, told.command)),
        }
    }
    assert!(seen > 20, "only {seen} commands are seen");
    assert!(
        faults.is_empty(),
        "nothing runs these; mark their blocks with <!-- needs … -->, or add them to a script and to this list:\n{}",
        faults.join("\n")
    );
    for ((beginning, file, text), used) in RUN_ELSEWHERE.iter().zip(used) {
        assert!(used, "no document has `{beginning}`");
        let script = fs::read_to_string(root().join(file)).expect("a script");
        assert!(script.contains(text), "{file} does not run `{text}`");
    }
}

/// A folder in which the commands of documents can be typed, and what to write for what stands in them.
struct Desk {
    folder: tempfile::TempDir,
    demo: Process,
    /// An execution that has failed.
    failed: String,
    /// A request that was answered.
    answered: String,
}

impl Desk {
    async fn set_up(database: &TestDatabase) -> Self {
        let server = TestServer::start_with(database, &[("SIDEHOOK_REQUESTS", "bodies")]).await;
        let trigger = json!({"request": {"body": [{"key": "n"}]}});
        let fails =
            json!({"rejectOnFalse": true, "engine": "math.js", "expression": "{{$context.body.n}} == 1"});
        let orders = workflow("orders", true, &trigger, &[node("one", "condition", fails)]);
        server.add(&orders).await;
        assert_eq!(server.post("orders", &json!({"n": 2})).await.status(), 500);
        assert_eq!(server.post("orders", &json!({"n": 1})).await.status(), 200);
        let failed = server.settled(orders.id, 2, TIMEOUT).await[0]["id"].to_string();
        server.stop().await;

        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        let mut env: BTreeMap<String, String> = database.env().into_iter().collect();
        let file = env["DB_STORAGE"].clone();
        env.insert("GITHUB_SECRET".to_owned(), "s".to_owned());
        let lines: String = env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        fs::write(path.join(".env"), lines).expect("an env file");
        fs::write(path.join("body.json"), r#"{"n":1}"#).expect("a body");
        fs::create_dir(path.join("bin")).expect("a folder");
        link(Path::new(env!("CARGO_BIN_EXE_sidehook")), &path.join("bin/sidehook"));
        for name in ["docs", "examples"] {
            link(&root().join(name), &path.join(name));
        }
        let demo =
            Process::start_in(path, &["demo", "--listen", "127.0.0.1:0", "--database", &file], &[]).await;
        let desk = Self { folder, demo, failed, answered: String::new() };
        let (succeeded, log) = desk.run("sidehook requests --workflow orders --json --env-file .env").await;
        assert!(succeeded, "{log}");
        let answered = log
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find(|row| row["status"] == 200)
            .expect("the answered request");
        let id = &answered["id"];
        Self { answered: id.as_str().map_or_else(|| id.to_string(), str::to_owned), ..desk }
    }

    /// What to type: with the address, the ids and the file of this place.
    fn typed(&self, command: &str) -> String {
        let command = command.replace("http://127.0.0.1:13080", &self.demo.url);
        let words: Vec<String> = command
            .split(' ')
            .map(|word| match word {
                "ID" => self.failed.clone(),
                word if word.len() > 9 && word.bytes().all(|byte| byte.is_ascii_digit()) => {
                    self.answered.clone()
                }
                word => word.to_owned(),
            })
            .collect();
        let command = words.join(" ");
        match command == "sidehook demo" {
            true => "sidehook demo --listen 127.0.0.1:0".to_owned(),
            false => command,
        }
    }

    fn shell(&self, command: &str) -> tokio::process::Command {
        let address = self.demo.url.strip_prefix("http://").expect("an address");
        let listen = if command.starts_with("sidehook serve") { "127.0.0.1:0" } else { address };
        let script = format!("PATH=\"$PWD/bin:$PATH\"; exec {command} 2>&1");
        shell(&script, &[("SIDEHOOK_LISTEN", listen)], self.folder.path())
    }

    /// Whether it succeeds, and what it prints.
    async fn run(&self, command: &str) -> (bool, String) {
        let output = tokio::time::timeout(TIMEOUT, self.shell(command).output()).await;
        let output = output.unwrap_or_else(|_| panic!("`{command}` does not end")).expect("a shell starts");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it until it has printed a text, and ends it.
    async fn run_until(&self, command: &str, text: &str) -> Result<(), String> {
        let mut child = self.shell(command).spawn().expect("a shell starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut printed = String::new();
        let found = async {
            while let Some(line) = lines.next_line().await.expect("text") {
                printed += &(line + "\n");
                if printed.contains(text) {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(TIMEOUT, found).await.unwrap_or(false);
        child.kill().await.expect("it is ended");
        let mut rest = String::new();
        drop(lines.into_inner().read_to_string(&mut rest).await);
        if found { Ok(()) } else { Err(printed) }
    }

    async fn try_out(&self, told: &Told<'_>, command: &str) -> Result<(), String> {
        let typed = self.typed(command);
        let listed = |list: &[(&str, &'static str)]| {
            list.iter().find(|(beginning, _)| command.starts_with(beginning)).map(|(_, text)| *text)
        };
        if let Some(text) = listed(GO_ON) {
            return self.run_until(&typed, text).await;
        }
        let (succeeded, printed) = self.run(&typed).await;
        let is_right = match listed(FAIL) {
            Some(text) => !succeeded && printed.contains(text),
            // What is below a request is its answer.
            None if told.printed.starts_with("HTTP/") => printed.contains(told.printed),
            None => succeeded,
        };
        if is_right { Ok(()) } else { Err(printed) }
    }
}

fn link(target: &Path, place: &Path) {
    std::os::unix::fs::symlink(target, place).expect("a link");
}

#[tokio::test]
async fn commands_of_sidehook_do_what_they_say() {
    on_databases(&[Kind::Sqlite], async |database| {
        let desk = Desk::set_up(&database).await;
        let documents = documents();
        let (mut seen, mut faults) = (0, Vec::new());
        for told in documents.iter().flat_map(commands) {
            let Some(command) = here(told.command) else { continue };
            seen += 1;
            if let Err(printed) = desk.try_out(&told, &command).await {
                faults.push(format!("{}: {}\n{printed}", told.place, told.command));
            }
        }
        assert!(seen > 10, "only {seen} commands are seen");
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    })
    .await;
}
