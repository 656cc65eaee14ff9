//! Counts the instructions of a process with callgrind.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::databases::TestDatabase;
use crate::workflows::Workflow;

/// A program is some fifty times slower there.
const PATIENCE: Duration = Duration::from_mins(5);
/// So often a unit is run before it is counted.
pub const WARM_UP: u64 = 20;

/// Those of a process that runs a unit so many times, from its first one on and its end included.
pub async fn instructions(unit: &str, times: u64, database: &TestDatabase) -> u64 {
    eprintln!("{times} × {unit}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("counted");
    match unit {
        "request" => serve(&file, times, database).await,
        _ => {
            let program = std::env::current_exe().expect("this program");
            let arguments = [unit, &times.to_string(), &database.url];
            let mut command = callgrind(&file, program.as_os_str());
            let status = command.args(arguments).status().await.expect("valgrind runs");
            assert!(status.success(), "{unit}: {status}");
        }
    }
    let text = std::fs::read_to_string(&file).expect("what callgrind has counted");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.expect("a total")
}

fn callgrind(file: &Path, program: &std::ffi::OsStr) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind", "--fair-sched=yes", "--instr-atstart=no"]);
    command.arg(format!("--callgrind-out-file={}", file.display())).arg(program).kill_on_drop(true);
    command
}

/// Has callgrind count from now on what this process does. A start is not counted, and takes a tenth of the time.
pub fn begin(id: u32) {
    let mut control = std::process::Command::new("callgrind_control");
    let output = control.args(["--instr=on", &id.to_string()]).output().expect("callgrind_control runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A sidehook that answers so many synchronous requests, one after the other on one connection, and ends.
async fn serve(file: &Path, times: u64, database: &TestDatabase) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
    let address = free.expect("a port").to_string();
    let mut sidehook = callgrind(file, env!("CARGO_BIN_EXE_sidehook").as_ref())
        .args(["serve", "--listen", &address])
        .env_clear()
        .envs(database.env())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SIDEHOOK_LOG", "error")
        .spawn()
        .expect("valgrind runs");
    let client = reqwest::Client::builder().tcp_nodelay(true).build().expect("a client");
    let begun = std::time::Instant::now();
    let health = format!("http://{address}/health/ready");
    while !client.get(&health).send().await.is_ok_and(|answer| answer.status().is_success()) {
        assert!(begun.elapsed() < PATIENCE, "sidehook does not answer");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let workflow = Workflow::Two;
    let url = format!("http://{address}/api/webhook:trigger/{}", workflow.key(true));
    for n in 0..WARM_UP + times {
        if n == WARM_UP {
            begin(sidehook.id().expect("it runs"));
        }
        let request = client.post(&url).header("content-type", "application/json").body(workflow.body());
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await.expect("a body");
    }
    end(&mut sidehook).await;
}

async fn end(sidehook: &mut Child) {
    let id = sidehook.id().expect("it runs");
    let _ = Command::new("kill").arg(id.to_string()).status().await;
    let status = sidehook.wait().await.expect("it ends");
    assert!(status.success(), "sidehook: {status}");
}
