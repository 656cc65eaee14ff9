//! A server that remembers what request nodes have sent to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poem::http::HeaderMap;
use poem::listener::TcpAcceptor;
use poem::web::{Data, Json};
use poem::{EndpointExt, Server, handler};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long an answer takes, so that some requests are under way when an instance dies.
const PAUSE: Duration = Duration::from_millis(20);

/// It stops when this is dropped.
pub struct Receiver {
    /// Such as `http://127.0.0.1:40123`.
    pub url: String,
    received: Received,
    _server: JoinSet<()>,
}

/// The bodies by the keys that came with them, in the order in which they came.
#[derive(Clone)]
struct Received {
    log: Arc<Mutex<Log>>,
    /// Whether answers are held back.
    is_held: watch::Sender<bool>,
}

#[derive(Default)]
struct Log {
    bodies: HashMap<String, Vec<Value>>,
    /// How many instances had been killed before each repetition.
    repeats: Vec<Repeat>,
    kills: usize,
}

/// A key that came again.
#[derive(Clone, Debug)]
pub struct Repeat {
    pub key: String,
    /// How often it had come before.
    pub before: usize,
    /// How many instances had been killed by then.
    pub kills: usize,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let received = Received { log: Arc::default(), is_held: watch::Sender::new(false) };
        let acceptor = TcpAcceptor::from_tokio(listener).expect("an acceptor");
        let endpoint = receive.data(received.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(endpoint).await;
        });
        Self { url, received, _server: server }
    }

    /// To be called before an instance is killed: only from then on may something come again.
    pub fn note_kill(&self) {
        self.received.log.lock().expect("no panic while it is held").kills += 1;
    }

    /// Answers nothing any more.
    pub fn hold(&self) {
        self.received.is_held.send_replace(true);
    }

    /// Answers what waits for it, and all that comes.
    pub fn release(&self) {
        self.received.is_held.send_replace(false);
    }

    /// The bodies that have come, by their keys.
    pub fn bodies(&self) -> HashMap<String, Vec<Value>> {
        self.received.log.lock().expect("no panic while it is held").bodies.clone()
    }

    pub fn repeats(&self) -> Vec<Repeat> {
        self.received.log.lock().expect("no panic while it is held").repeats.clone()
    }
}

/// Answers with the key and the number of the request.
#[handler]
async fn receive(headers: &HeaderMap, Json(body): Json<Value>, received: Data<&Received>) -> Json<Value> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or("none").to_owned();
    let answer = json!({"key": key, "n": body["n"]});
    {
        let mut log = received.log.lock().expect("no panic while it is held");
        let before = log.bodies.get(&key).map_or(0, Vec::len);
        if before > 0 {
            let kills = log.kills;
            log.repeats.push(Repeat { key: key.clone(), before, kills });
        }
        log.bodies.entry(key).or_default().push(body);
    }
    tokio::time::sleep(PAUSE).await;
    let _ = received.is_held.subscribe().wait_for(|is_held| !is_held).await;
    Json(answer)
}
