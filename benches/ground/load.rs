//! A plain HTTP client that keeps a number of connections busy: it costs little beside what it measures.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came of the requests.
pub struct Outcome {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// How many answers had another status than 2xx.
    pub failures: usize,
    /// Of all answers, in milliseconds, ascending.
    latencies: Vec<f64>,
}

impl Outcome {
    pub fn answers(&self) -> usize {
        self.latencies.len()
    }

    /// How long the part `part` of all answers took at most, in milliseconds.
    pub fn percentile(&self, part: f64) -> f64 {
        let place = (self.latencies.len() as f64 * part) as usize;
        self.latencies.get(place.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Sends requests with this body over so many connections, one after the other on each, for so long.
pub async fn run(address: &str, key: &str, body: &str, connections: usize, span: Duration) -> Outcome {
    let request = format!(
        "POST /api/webhook:trigger/{key} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let started = Instant::now();
    let until = started + span;
    let tasks: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(keep_busy(address.to_owned(), request.clone().into_bytes(), until)))
        .collect();
    let (mut latencies, mut failures) = (Vec::new(), 0);
    for task in tasks {
        let (some, failed) = task.await.expect("a client does not panic");
        latencies.extend(some);
        failures += failed;
    }
    latencies.sort_by(f64::total_cmp);
    Outcome { elapsed: started.elapsed(), failures, latencies }
}

async fn keep_busy(address: String, request: Vec<u8>, until: Instant) -> (Vec<f64>, usize) {
    let mut stream = TcpStream::connect(&address).await.expect("sidehook takes connections");
    stream.set_nodelay(true).expect("a TCP stream");
    let (mut latencies, mut failures, mut buffer) = (Vec::new(), 0, Vec::with_capacity(4096));
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(&request).await.expect("the request is sent");
        buffer.clear();
        if !read_answer(&mut stream, &mut buffer).await {
            failures += 1;
        }
        latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
    }
    (latencies, failures)
}

/// Reads one answer; whether its status is 2xx.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    loop {
        let count = stream.read_buf(buffer).await.expect("the answer arrives");
        assert!(count > 0, "the connection was closed");
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or_default();
        if buffer.len() >= end + 4 + length {
            return head.starts_with("http/1.1 2");
        }
    }
}
