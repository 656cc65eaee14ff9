//! What a collector of OpenTelemetry is told.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};

use entity::Table;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Told;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::answering;
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::server::TestServer;
use crate::wait::until;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A request that has come to the receiver: its path, headers and body.
type Came = (String, HeaderMap, Bytes);

/// Takes what comes at `/v1/traces` and anywhere else; at `/hang` nobody ever gets an answer, and `/moved` sends them on.
struct Receiver {
    url: String,
    came: Arc<Mutex<Vec<Came>>>,
    _server: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, came.clone()));
        Self { url, came, _server: server }
    }

    /// What has come to a path.
    fn at(&self, path: &str) -> Vec<Came> {
        self.came
            .lock()
            .expect("nobody panics with it")
            .iter()
            .filter(|came| came.0 == path)
            .cloned()
            .collect()
    }

    fn exports(&self) -> Vec<ExportTraceServiceRequest> {
        let came = self.at("/v1/traces").into_iter();
        came.map(|(_, _, body)| ExportTraceServiceRequest::decode(body).expect("protobuf")).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.exports().into_iter().flat_map(|export| export.resource_spans);
        resources.flat_map(|spans| spans.scope_spans).flat_map(|spans| spans.spans).collect()
    }
}

async fn serve(listener: TcpListener, came: Arc<Mutex<Vec<Came>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let came = came.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let came = came.clone();
            async move {
                let (head, body) = request.into_parts();
                let path = head.uri.path().to_owned();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                came.lock().expect("nobody panics with it").push((path.clone(), head.headers, body));
                if path.starts_with("/hang") {
                    pending::<()>().await;
                }
                let mut answer = Response::new(Full::new(Bytes::new()));
                if path == "/moved" {
                    *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
                    answer.headers_mut().insert("location", HeaderValue::from_static("/elsewhere"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        connections.spawn(async move {
            // A connection that breaks is the client's affair; its test sees it.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// The only span of a name.
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(found.len(), 1, "{name} among {names:?}");
    found[0]
}

fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    let value = found.unwrap_or_else(|| panic!("{name} is missing in {span:?}")).value.clone();
    match value.and_then(|value| value.value) {
        Some(Told::StringValue(text)) => text,
        Some(Told::IntValue(number)) => number.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

#[tokio::test]
async fn a_request_its_execution_and_its_nodes_are_one_trace() {
    let receiver = Receiver::start().await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=of%20the%20collector"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, &settings).await;
    let call = json!({"url": format!("{}/called?q=planted-sent", receiver.url), "method": "POST",
                      "headers": [{"name": "x-token", "value": "planted-token"}]});
    let wrong = json!({"engine": "formula.js", "expression": "NO_FUNCTION('planted-expression')"});
    let nodes = [node("call", "request", call), node("wrong", "calculation", wrong)];
    server.add(&workflow("sync", true, &json!({}), &nodes)).await;
    let url = format!("{}?planted=planted-query", server.trigger_url("sync"));
    let request = server.client.post(url).json(&json!({"planted": "planted-body"}));
    let request = request.header("authorization", "Bearer planted-header");
    let request = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let answer = request.header("tracestate", "v=planted-state").send().await.expect("an answer");
    let status = answer.status().as_u16();
    server.stop().await;

    let spans = receiver.spans();
    let request = named(&spans, "/api/webhook:trigger/{key}");
    let execution = named(&spans, "execution sync");
    let (called, failed) = (named(&spans, "node request"), named(&spans, "node calculation"));
    assert_eq!(spans.len(), 4);
    assert!(spans.iter().all(|span| hex::encode(&span.trace_id) == TRACE), "{spans:?}");
    assert_eq!(hex::encode(&request.parent_span_id), CALLER);
    assert_eq!(execution.parent_span_id, request.span_id);
    assert_eq!((&called.parent_span_id, &failed.parent_span_id), (&execution.span_id, &execution.span_id));
    assert_eq!(attribute(request, "http.request.method"), "POST");
    assert_eq!(attribute(request, "http.response.status_code"), status.to_string());
    assert_eq!(attribute(request, "sidehook.workflow.key"), "sync");
    assert_eq!(attribute(execution, "sidehook.execution.status"), "-2");
    assert_eq!(attribute(called, "sidehook.node.key"), "call");
    assert_eq!(attribute(called, "sidehook.job.status"), "1");
    assert_eq!(attribute(failed, "sidehook.job.status"), "-2");
    assert_eq!([execution, called, failed].map(is_error), [true, false, true]);
    attribute(execution, "sidehook.execution.id").parse::<i64>().expect("an id");

    let (_, headers, _) = receiver.at("/called").pop().expect("the node has called");
    let expected = format!("00-{TRACE}-{}-01", hex::encode(&called.span_id));
    assert_eq!(headers["traceparent"], expected.as_str());
    let (_, headers, body) = receiver.at("/v1/traces").pop().expect("an export");
    assert_eq!(headers["api-key"], "of the collector");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert!(!String::from_utf8_lossy(&body).contains("planted"), "{spans:?}");
    let resource = format!("{:?}", receiver.exports()[0].resource_spans[0].resource);
    assert!(resource.contains("\"sidehook\"") && resource.contains("\"test\""), "{resource}");
}

#[tokio::test]
async fn an_execution_for_which_nobody_waits_links_to_its_request() {
    let receiver = Receiver::start().await;
    let endpoint = format!("{}/v1/traces", receiver.url);
    let settings =
        [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()), ("OTEL_SERVICE_NAME", "hooks")];
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, &settings).await;
    let nodes = [node("call", "request", json!({"url": format!("{}/called", receiver.url)}))];
    server.add(&workflow("later", false, &json!({"sidehook": {"path": "orders/:id"}}), &nodes)).await;
    // Those that are left to the database, as the first ones may be, have no link.
    for _ in 0..5 {
        let request = server.client.post(format!("{}/orders/planted-parameter", server.url));
        assert_eq!(request.send().await.expect("an answer").status(), 200);
        let is_over = async || server.count(Table::Leases).await == 0;
        until(is_over, || "the execution does not end".to_owned()).await;
    }
    server.stop().await;
    let spans = receiver.spans();
    let of = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let (requests, executions, called) = (of("/orders/:id"), of("execution later"), of("node request"));
    assert_eq!((requests.len(), executions.len(), called.len()), (5, 5, 5), "{spans:?}");
    let linked = executions.iter().find(|execution| !execution.links.is_empty()).expect("a link");
    let request = requests.iter().find(|request| request.span_id == linked.links[0].span_id);
    let request = request.expect("the link leads to a request");
    assert_eq!(linked.links[0].trace_id, request.trace_id);
    assert_ne!(linked.trace_id, request.trace_id);
    assert!(executions.iter().all(|execution| execution.parent_span_id.is_empty()));
    let is_its = |node: &&&Span| node.parent_span_id == linked.span_id && node.trace_id == linked.trace_id;
    assert_eq!(called.iter().filter(is_its).count(), 1);
    assert!(!format!("{spans:?}").contains("planted"), "{spans:?}");
    assert!(format!("{:?}", receiver.exports()).contains("\"hooks\""));
}

#[tokio::test]
async fn a_collector_that_never_answers_stops_nothing() {
    let receiver = Receiver::start().await;
    let endpoint = format!("{}/hang", receiver.url);
    let settings = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str())];
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, &settings).await;
    server.add(&answering("open", json!("ok"))).await;
    assert_eq!(server.post("open", &json!({})).await.status(), 200);
    until(async || !receiver.at("/hang").is_empty(), || "nothing is sent".to_owned()).await;
    for _ in 0..20 {
        assert_eq!(server.post("open", &json!({})).await.status(), 200);
    }
    server.stop().await;
    assert_eq!(receiver.at("/hang").len(), 1, "it still waits for its first answer");
}

#[tokio::test]
async fn without_a_collector_nothing_is_passed_on() {
    let receiver = Receiver::start().await;
    let disabled = [("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url.as_str()), ("OTEL_SDK_DISABLED", "true")];
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, &disabled).await;
    let nodes = [node("call", "request", json!({"url": format!("{}/called", receiver.url)}))];
    server.add(&workflow("sync", true, &json!({}), &nodes)).await;
    assert_eq!(server.post("sync", &json!({})).await.status(), 200);
    server.stop().await;
    let (_, headers, _) = receiver.at("/called").pop().expect("the node has called");
    assert!(!headers.contains_key("traceparent"));
    assert_eq!(receiver.at("/v1/traces").len(), 0);
}

#[tokio::test]
async fn a_collector_sends_nobody_on() {
    let receiver = Receiver::start().await;
    let endpoint = format!("{}/moved", receiver.url);
    let settings = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=planted"),
    ];
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, &settings).await;
    server.add(&answering("open", json!("ok"))).await;
    assert_eq!(server.post("open", &json!({})).await.status(), 200);
    server.stop().await;
    let (_, headers, _) = receiver.at("/moved").pop().expect("the spans were sent");
    assert_eq!(headers["api-key"], "planted");
    assert_eq!(receiver.at("/elsewhere").len(), 0);
}
