//! How spans leave: from a bounded queue, in batches, by the HTTP client that request nodes use. A collector that is
//! away costs the spans that do not fit the queue.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor};
use tokio::runtime::Handle;
use url::{Position, Url};

use crate::outbound::{Client, Headers, Hop};

/// At most so many spans wait.
const QUEUE: usize = 4_096;
const BATCH: usize = 512;
/// How long a span waits at most for others to go with.
const DELAY: Duration = Duration::from_secs(2);
/// How long a collector may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer of a collector, in bytes.
const ANSWER: usize = 64 << 10;
/// How often the log is told that a collector does not take what it is sent.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// What spans are given to when they end.
pub(super) fn processor(
    endpoint: &str,
    headers: Vec<(String, String)>,
    client: Client,
    runtime: &Handle,
) -> Result<BatchSpanProcessor, String> {
    let sender = Sender { client, runtime: runtime.clone(), complained: Mutex::default() };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(sender)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(TIMEOUT)
        .with_headers(headers.into_iter().collect())
        .build()
        .map_err(|err| err.to_string())?;
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    Ok(BatchSpanProcessor::builder(exporter).with_batch_config(config).build())
}

/// Posts batches. It is polled by a thread of the processor, which has no runtime.
struct Sender {
    client: Client,
    runtime: Handle,
    complained: Mutex<Option<Instant>>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sender")
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string())?;
        let target = url[Position::BeforePath..Position::AfterQuery].to_owned();
        let mut headers = Headers::default();
        for (name, value) in &head.headers {
            headers.set(name.as_str(), value.to_str()?);
        }
        let hop = Hop { url, target, method: head.method.to_string(), headers, body: Some(body) };
        let client = self.client.clone();
        // Its headers may hold a key, which nobody gets to whom a collector sends them on.
        let sent = self.runtime.spawn(async move { client.send_once(&hop, ANSWER, TIMEOUT).await }).await?;
        match sent {
            // What it may say of parts that it has not taken is nobody's to mend.
            Ok(_) => Ok(Response::new(Bytes::new())),
            Err(failure) => {
                self.complain(&failure.message);
                Err(failure.message.into())
            }
        }
    }
}

impl Sender {
    fn complain(&self, reason: &str) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL) {
            *complained = Some(Instant::now());
            tracing::warn!(
                reason,
                "the collector does not take the traces, which are dropped; check OTEL_EXPORTER_OTLP_ENDPOINT"
            );
        }
    }
}
