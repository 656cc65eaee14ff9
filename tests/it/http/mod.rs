//! What faces senders: connections and their limits, answers that arrive, health, logs, the end.

mod early;
mod framing;
mod health;
mod limits;
mod log;
mod manage;
mod many;
mod metrics;
mod readiness;
mod stopping;
mod traces;

use std::time::Duration;

use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::{node, workflow};

/// How long something may take that has to happen.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A synchronous workflow that answers with a value.
fn answering(key: &str, body: Value) -> NewWorkflow {
    let answer = node("answer", "response", json!({"statusCode": 200, "headers": [], "body": body}));
    let trigger = json!({"request": {"headers": [], "query": [], "body": [{"key": "text"}]}});
    workflow(key, true, &trigger, &[answer])
}

/// A connection to a server, by its URL.
async fn connect(url: &str) -> TcpStream {
    let address = url.strip_prefix("http://").expect("an http URL");
    TcpStream::connect(address).await.expect("the server listens")
}

/// Everything that comes until the other side closes; what it reset is what came before.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = timeout(TIMEOUT, stream.read_to_end(&mut bytes)).await;
    let _ = reading.expect("the server closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes until there is a whole head of an answer, at least.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut space = [0; 4096];
        let read = timeout(TIMEOUT, stream.read(&mut space)).await.expect("the server answers");
        let read = read.expect("the connection holds");
        assert!(read > 0, "the connection was closed after {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&space[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends a request that is written out and returns all that is answered.
async fn ask(url: &str, request: &str) -> String {
    let mut stream = connect(url).await;
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    read_all(&mut stream).await
}
