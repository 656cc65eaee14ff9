//! A mail server for tests: aiosmtpd, which Debian has as `python3-aiosmtpd`.

use std::env;
use std::io::{self, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex, Once};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::databases::REQUIRE_VARIABLE;
use crate::wait::until;

/// The system's own Python comes first: Debian's packages are for that one.
const PYTHONS: [&str; 2] = ["/usr/bin/python3", "python3"];

/// It ends when this is dropped.
pub struct MailServer {
    pub port: u16,
    told: Arc<Mutex<Vec<Value>>>,
    _child: Child,
}

/// A file of the tests' certificates.
pub fn certificate(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

impl MailServer {
    /// `options` are those of `server.py`. None when there is no aiosmtpd, which is a failure where servers are required.
    pub async fn start(options: &[&str]) -> Option<Self> {
        let Some(python) = python().await else {
            missing();
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/node/mailer/server.py");
        let mut child = Command::new(python)
            .args(["-W", "ignore", script])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Python starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its standard output")).lines();
        let first = lines.next_line().await.expect("a line").expect("the server starts");
        let first: Value = serde_json::from_str(&first).expect("JSON");
        let port = first["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).expect("JSON");
                heard.lock().expect("not poisoned").push(line);
            }
        });
        Some(Self { port, told, _child: child })
    }

    /// The mails that have come so far: `{mail, to, user, tls, connection, data}`.
    pub fn mails(&self) -> Vec<Value> {
        self.told().into_iter().filter(|line| !line["mail"].is_null()).collect()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.told().iter().filter(|line| !line["connected"].is_null()).count()
    }

    /// Waits for so many mails.
    pub async fn has(&self, count: usize) -> Vec<Value> {
        until(async || self.mails().len() >= count, || format!("{:?} have come", self.mails())).await;
        self.mails()
    }

    fn told(&self) -> Vec<Value> {
        self.told.lock().expect("not poisoned").clone()
    }
}

/// A header of a mail that has come.
pub fn header<'a>(mail: &'a Value, name: &str) -> Option<&'a str> {
    let head = mail["data"].as_str().expect("a message").split("\r\n\r\n").next()?;
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A Python that has aiosmtpd.
async fn python() -> Option<&'static str> {
    for python in PYTHONS {
        let imported =
            Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status().await;
        if imported.is_ok_and(|status| status.success()) {
            return Some(python);
        }
    }
    None
}

/// Written past the capture of the test harness, so that it is seen although the test passes.
fn missing() {
    static NAMED: Once = Once::new();
    let text = "no mail server for tests: install Debian's python3-aiosmtpd, or aiosmtpd from PyPI";
    assert!(env::var_os(REQUIRE_VARIABLE).is_none(), "{text} ({REQUIRE_VARIABLE} is set)");
    NAMED.call_once(|| {
        let _ = writeln!(io::stderr(), "{text}; its tests do nothing");
    });
}
