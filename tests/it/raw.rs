//! HTTP requests byte by byte, for what a client library does not send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::TIMEOUT;

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: body.to_owned() }
    }
}

/// Sends a request whose `head` is the request line and the headers, each line without its end. `host` and
/// `connection: close` are added.
pub async fn send(url: &str, head: &[&[u8]], body: &[u8]) -> Answer {
    let mut stream = connect(url).await;
    stream.write_all(&request(head, body)).await.expect("the request is sent");
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut bytes));
    // A server that has answered without reading everything resets the connection.
    let _ = reading.await.expect("the server answers");
    Answer::parse(&bytes)
}

/// Sends a request and resets the connection without waiting for an answer.
pub async fn send_and_hang_up(url: &str, head: &[&[u8]], body: &[u8], after: Duration) {
    let mut stream = connect(url).await;
    stream.write_all(&request(head, body)).await.expect("the request is sent");
    tokio::time::sleep(after).await;
    stream.set_zero_linger().expect("a socket option");
}

/// A body in chunks of so many bytes, for `transfer-encoding: chunked`.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

async fn connect(url: &str) -> TcpStream {
    let address = url.strip_prefix("http://").expect("an http URL");
    TcpStream::connect(address).await.expect("the server listens")
}

fn request(head: &[&[u8]], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in head.iter().copied().chain([b"host: sidehook.test".as_slice(), b"connection: close", b""]) {
        bytes.extend(line);
        bytes.extend(b"\r\n");
    }
    bytes.extend(body);
    bytes
}
