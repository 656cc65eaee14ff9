//! The workflows of `examples/`: each is imported, its lines for a shell are run, and answered as it says.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::demo::{in_a_shell, is_installed};
use crate::databases::{Kind, TestDatabase};
use crate::process::{environment, run};
use crate::server::TestServer;
use crate::wait::until;
use crate::{collections, echo};

/// Where the files send requests, and the server that their lines are written for.
const SERVICES: &str = "https://hooks.example.com";
const WRITTEN_FOR: &str = "http://127.0.0.1:13080";

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = std::fs::read_dir(folder).expect("the folder of examples");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_does_what_it_says() {
    for program in ["curl", "openssl"] {
        if !is_installed(program).await {
            assert!(std::env::var_os("SIDEHOOK_REQUIRE_DATABASES").is_none(), "{program} is not installed");
            eprintln!("{program} is not installed: the lines of examples/ are not run");
            return;
        }
    }
    let files = files();
    assert_eq!(files.len(), 10);
    let readme = std::fs::read_to_string(files[0].with_file_name("README.md")).expect("a list of them");
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(readme.contains(&format!("]({name})")), "{name} is not in the list");
        try_out(&file).await;
    }
}

async fn try_out(file: &Path) {
    let Some(database) = TestDatabase::create(Kind::Sqlite).await else { return };
    let (server, services) = (TestServer::start(&database).await, echo::start().await.expect("a server"));
    let text = std::fs::read_to_string(file).expect("an example");
    let example: Value = serde_json::from_str(&text).expect("an example is JSON");
    let none = Vec::new();
    let payloads = example["collections"].as_array().unwrap_or(&none);
    collections::create(&server, payloads).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("workflow.json");
    std::fs::write(&copy, text.replace(SERVICES, &services.base_url)).expect("a file");
    import(&database, &copy).await;

    let attempts = example["try"].as_array().expect("lines to run");
    for attempt in attempts {
        let line = attempt["run"].as_str().expect("a line").replace(WRITTEN_FOR, &server.url);
        let output = in_a_shell(&line.replace("curl -i", "curl -isS"), folder.path()).await;
        check(attempt, &output);
    }
    let ended = async || {
        server.number("SELECT COUNT(*) FROM executions WHERE status IS NULL OR status = 0").await == 0
    };
    until(ended, || format!("{}: executions have not ended", file.display())).await;
    let statuses = server.texts("SELECT status FROM executions WHERE status <> 1").await;
    assert!(statuses.is_empty(), "{}: {statuses:?}", file.display());
    assert!(server.number("SELECT COUNT(*) FROM executions").await > 0, "{} has not run", file.display());
    server.stop().await;
}

async fn import(database: &TestDatabase, file: &Path) {
    let environment = environment(database, &[]);
    let pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let output = run(&["import", &file.display().to_string(), "--enable"], &pairs).await;
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!told.contains("It needs") && !told.contains("leaves nodes"), "{told}");
}

/// Compares what curl has printed.
fn check(attempt: &Value, output: &str) {
    let line = &attempt["run"];
    let (head, body) = output.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}\n{output}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
    assert_eq!(json!(status), attempt["status"], "{line}\n{output}");
    if !attempt["body"].is_null() {
        let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
        assert_eq!(body, attempt["body"], "{line}");
    }
}
