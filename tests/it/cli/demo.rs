//! What the command line promises: the lines that `demo` prints work when they are pasted, and the examples in help
//! texts are commands that exist.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use entity::Table;
use rand::Rng;
use serde_json::{Value, json};
use sidehook::app::open_store;
use sidehook::config::{Config, Sources};
use tokio::process::Command;

use crate::process::{Process, run};
use crate::rows::Rows;
use crate::wait::until;

/// A name that has to be quoted in a shell and encoded in a URL.
const FILE: &str = "demo, 100% of #1.sqlite";

/// A demo in a folder, and the lines that it tells people to paste.
struct Demo {
    process: Process,
    lines: Vec<String>,
}

impl Demo {
    async fn start(folder: &Path) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let arguments = ["demo", "--listen", &listen, "--database", FILE];
        let process = Process::start_in(folder, &arguments, &[]).await;
        // The two streams are read by themselves, so that what it prints may be seen after what it logs.
        until(
            async || process.printed().contains("  sqlite3 "),
            || format!("no lines to paste:\n{}", process.printed()),
        )
        .await;
        let printed = process.printed();
        let pasted = |line: &&str| line.starts_with("curl ") || line.starts_with("sqlite3 ");
        let lines = printed.lines().map(str::trim).filter(pasted).map(str::to_owned).collect();
        Self { process, lines }
    }

    fn curl_lines(&self) -> impl Iterator<Item = &String> {
        self.lines.iter().filter(|line| line.starts_with("curl "))
    }
}

/// Below those that the system gives out, so that nobody gets it before the demo does.
fn free_port() -> u16 {
    let mut random = rand::rng();
    let mut ports = (0..100).map(|_| random.random_range(20_000..32_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// Runs a line as a shell does. `None` when its program is not installed.
async fn paste(line: &str, folder: &Path) -> Option<String> {
    let program = line.split(' ').next().unwrap_or_default();
    if is_installed(program).await { Some(in_a_shell(line, folder).await) } else { None }
}

pub async fn is_installed(program: &str) -> bool {
    let lookup = format!("command -v {program}");
    let found = Command::new("sh").args(["-c", &lookup]).stdout(Stdio::null()).status();
    found.await.expect("sh runs").success()
}

/// What a line prints that has to end well.
pub async fn in_a_shell(line: &str, folder: &Path) -> String {
    let output =
        Command::new("sh").args(["-c", line]).current_dir(folder).env("no_proxy", "127.0.0.1").output();
    let output = output.await.expect("sh runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}\n{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Status and body of what a pasted line with curl is answered.
async fn answer(line: &str, folder: &Path) -> (u16, String) {
    let Some(output) = paste(&format!("{line} -sS"), folder).await else { return request(line).await };
    let (head, body) = output.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}\n{output}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    (status, body.to_owned())
}

/// The same for machines without curl: the options that the lines have.
async fn request(line: &str) -> (u16, String) {
    let words: Vec<&str> = line.split('\'').collect();
    let url = line.split(' ').find(|word| word.starts_with("http://")).expect("a URL");
    let mut request = crate::server::client().post(url).header("content-type", "application/json");
    if line.contains("-u demo:demo") {
        request = request.basic_auth("demo", Some("demo"));
    }
    let body = words.iter().rfind(|word| word.starts_with('{')).expect("a body");
    let response = request.body((*body).to_owned()).send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

/// Runs all lines and checks what is told about them.
async fn lines_answer_as_documented(demo: &Demo, folder: &Path) {
    let mut answers = Vec::new();
    for line in demo.curl_lines() {
        answers.push(answer(line, folder).await);
    }
    let expected = [
        (201, r#"{"ok":true,"amount":150}"#),
        (422, r#"{"ok":false}"#),
        (202, r#"{"accepted":true}"#),
        (200, "welcome"),
    ];
    assert_eq!(answers, expected.map(|(status, body)| (status, body.to_owned())));
    let with_password = demo.curl_lines().find(|line| line.contains("-u demo:demo")).expect("such a line");
    assert_eq!(answer(&with_password.replace("-u demo:demo ", ""), folder).await.0, 401);
}

/// The rows in the file, once all executions have ended.
async fn check_rows(folder: &Path, runs: i64) {
    let url = sidehook::config::sqlite_url(&folder.join(FILE));
    let environment = [("SIDEHOOK_DATABASE_URL".to_owned(), url)].into_iter().collect();
    let config = Config::load(&Sources { file: None, environment }).expect("valid settings");
    let rows = Rows { store: open_store(&config).await.expect("the file opens") };
    let resolved = r#"SELECT COUNT(*) FROM executions WHERE status = 1"#;
    until(async || rows.number(resolved).await >= 4 * runs, || "executions have not ended".to_owned()).await;
    assert_eq!(rows.count(Table::Executions).await, 4 * runs);
    assert_eq!(rows.count(Table::Workflows).await, 3);
    assert_eq!(rows.count(Table::Leases).await, 0);
    let mut jobs = rows.texts(r#"SELECT "nodeKey" FROM jobs WHERE status = 1"#).await;
    jobs.sort_unstable();
    jobs.dedup();
    let keys: Vec<_> = jobs.iter().flatten().map(String::as_str).collect();
    assert_eq!(keys, ["accepted", "enough", "facts", "greeting", "output", "refused", "welcome"]);
    let output = rows.texts(r#"SELECT output FROM executions WHERE "key" = 'demo-async'"#).await;
    let output = output[0].as_deref().expect("an output");
    assert!(output.starts_with(r#"{"greeting":"Hello Ada","at":"2"#), "{output}");
}

#[tokio::test]
async fn the_lines_that_the_demo_prints_work_when_pasted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let demo = Demo::start(folder.path()).await;
    assert_eq!(demo.curl_lines().count(), 4, "{:?}", demo.lines);
    lines_answer_as_documented(&demo, folder.path()).await;
    check_rows(folder.path(), 1).await;
    let sqlite = demo.lines.iter().find(|line| line.starts_with("sqlite3 ")).expect("such a line");
    if let Some(output) = paste(sqlite, folder.path()).await {
        for key in ["demo-sync", "demo-async", "demo-auth", "greeting"] {
            assert!(output.contains(key), "{output}");
        }
    }
    page_shows_what_has_run(&demo.process.url).await;
}

/// What the page shows after the lines have been pasted.
async fn page_shows_what_has_run(url: &str) {
    let state: Value = crate::server::client()
        .get(format!("{url}/page/state"))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let webhooks = state["webhooks"].as_array().expect("a list");
    let paths: Vec<&Value> = webhooks.iter().map(|webhook| &webhook["path"]).collect();
    let expected =
        ["demo-sync", "demo-async", "demo-auth"].map(|key| json!(format!("/api/webhook:trigger/{key}")));
    assert_eq!(paths, expected.iter().collect::<Vec<_>>());
    for webhook in webhooks {
        let sample = &webhook["sample"];
        let mut request =
            crate::server::client().post(format!("{url}{}", webhook["path"].as_str().expect("a path")));
        if let Some(authorization) = sample["authorization"].as_str() {
            request = request.header("authorization", authorization);
        }
        let body = sample["body"].as_str().expect("a body").to_owned();
        let answer =
            request.header("content-type", "application/json").body(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{webhook}: {}", answer.status());
    }
    let executions = state["executions"].as_array().expect("a list");
    assert_eq!(executions.len(), 4);
    let jobs: Vec<&Value> =
        executions.iter().flat_map(|one| one["jobs"].as_array().into_iter().flatten()).collect();
    let enough = json!({"title": "enough", "status": 1, "result": "true"});
    assert!(jobs.contains(&&enough), "{jobs:?}");
}

#[tokio::test]
async fn a_demo_goes_on_with_the_file_of_an_earlier_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for run in 1..=2 {
        let mut demo = Demo::start(folder.path()).await;
        lines_answer_as_documented(&demo, folder.path()).await;
        check_rows(folder.path(), run).await;
        demo.process.signal("TERM").await;
        assert!(demo.process.ended().await.success());
    }
}

#[tokio::test]
async fn a_second_demo_can_share_the_file_of_one_that_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = Demo::start(folder.path()).await;
    let second = Demo::start(folder.path()).await;
    lines_answer_as_documented(&first, folder.path()).await;
    lines_answer_as_documented(&second, folder.path()).await;
    check_rows(folder.path(), 2).await;
}

/// A reader would paste lines that another program answers.
#[tokio::test]
async fn a_demo_that_cannot_listen_prints_no_lines_to_paste() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = taken.local_addr().expect("a bound port").to_string();
    let file = folder.path().join(FILE).display().to_string();
    let output = run(&["demo", "--listen", &listen, "--database", &file], &[]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("choose another with --listen"), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

/// What a command prints that has to end well.
async fn printed(arguments: &[&str]) -> String {
    let output = run(arguments, &[]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The commands that the help text lists.
async fn commands() -> Vec<String> {
    let help = printed(&["--help"]).await;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

/// The commands among the lines of a help text, without the explanations behind some, and without what a shell does
/// with their output.
fn examples(help: &str) -> Vec<Vec<&str>> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  sidehook "));
    let commands = lines.map(|line| line.split("   ").next().unwrap_or_default());
    let commands = commands.map(|line| line.split(['>', '|']).next().unwrap_or_default());
    commands.map(|line| line.split_whitespace().collect()).collect()
}

#[tokio::test]
async fn examples_of_help_texts_are_commands_that_exist() {
    let commands = commands().await;
    assert!(commands.iter().any(|name| name == "serve") && commands.len() >= 4, "{commands:?}");
    let overview = printed(&["--help"]).await;
    let mut all = examples(&overview).into_iter().map(|words| words.join(" ")).collect::<BTreeSet<_>>();
    assert!(!all.is_empty());
    for command in &commands {
        let help = printed(&[command, "--help"]).await;
        assert!(help.contains(&format!("Usage: sidehook {command}")), "{help}");
        let examples = examples(&help);
        assert_eq!(examples.is_empty(), !help.contains("Examples:"), "{help}");
        assert!(
            examples.iter().all(|words| words[0] == command),
            "{command} has examples of others:\n{help}"
        );
        all.extend(examples.into_iter().map(|words| words.join(" ")));
    }
    for name in ["demo", "migrate", "serve"] {
        assert!(all.iter().any(|line| line.starts_with(name)), "{name} has no example");
    }
    for line in all {
        // Arguments are looked at in order, so that an unknown one is told before the help text.
        let words: Vec<&str> = line.split(' ').chain(["--help"]).collect();
        printed(&words).await;
    }
}

#[tokio::test]
async fn without_a_command_help_is_shown() {
    let output = run(&[], &[]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("Usage: sidehook <COMMAND>"), "{told}");
}

#[tokio::test]
async fn all_node_types_are_listed() {
    let listed = printed(&["nodes"]).await;
    let names: Vec<&str> = sidehook::node::NODES.iter().map(|kind| kind.type_name).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn all_node_types_are_listed_with_examples() {
    let listed = printed(&["nodes", "--examples"]).await;
    let types = listed.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(types.count(), sidehook::node::NODES.len());
    for label in ["    config   ", "    context  "] {
        let texts: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix(label)).collect();
        assert!(texts.len() >= sidehook::node::NODES.len(), "{label}");
        for text in texts {
            serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|err| panic!("{text}: {err}"));
        }
    }
}

/// A stand-alone database is made by a command, and then served.
#[tokio::test]
async fn a_stand_alone_database_can_be_made_and_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("own.sqlite").display().to_string();
    for _ in 0..2 {
        let told = printed(&["migrate", "--stand-alone", "--database", &file]).await;
        assert!(told.contains("up to date"), "{told}");
    }
    printed(&["migrate", "--database", &file]).await;
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database", &file];
    let process = Process::start_in(folder.path(), &arguments, &[]).await;
    let client = crate::server::client();
    let live = client.get(format!("{}/health/live", process.url)).send().await.expect("an answer");
    assert_eq!(live.status(), 200);
    let ready = client.get(format!("{}/health/ready", process.url)).send().await.expect("an answer");
    assert_eq!(ready.status(), 200);
    let missing = client.post(process.trigger_url("none")).json(&json!({})).send().await.expect("an answer");
    assert_eq!(missing.status(), 404);
}
