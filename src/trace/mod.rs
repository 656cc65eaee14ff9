//! Spans of requests, executions and nodes, for a collector of OpenTelemetry. Each occurrence is a function here, which
//! whoever sees it calls. Without a collector there is nothing but a branch. Nothing is global: who tells has the
//! [`Tracer`].
//!
//! A span says which workflow and which node it was, and how it ended; never what a request or a node has carried.

mod export;
mod span;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, TracerProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

pub(crate) use self::span::{Cause, Span};

use crate::config::Traces;
use crate::outbound::Client;

/// Begins spans, and sends those that have ended.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Sending>>);

struct Sending {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
}

/// An execution begins, or goes on.
#[derive(Clone, Copy, Debug)]
pub struct ExecutionBegun<'a> {
    pub id: i64,
    /// The key of its workflow.
    pub workflow: &'a str,
    pub is_sync: bool,
}

impl Tracer {
    /// Sends to where the settings say, by `client` on `runtime`; nothing where they name no collector. An error when
    /// the exporter cannot be built.
    pub fn start(settings: &Traces, client: Client, runtime: &Handle) -> Result<Self, String> {
        let Some(endpoint) = &settings.endpoint else { return Ok(Self::default()) };
        let processor = export::processor(endpoint.reveal(), settings.header_pairs(), client, runtime)?;
        let share = match settings.sampler.share {
            share if share >= 1.0 => Sampler::AlwaysOn,
            share if share <= 0.0 => Sampler::AlwaysOff,
            share => Sampler::TraceIdRatioBased(share),
        };
        let sampler =
            if settings.sampler.follows_caller { Sampler::ParentBased(Box::new(share)) } else { share };
        let named = settings.attributes.iter().find(|(name, _)| name == "service.name");
        let name = settings.service_name.as_deref().or(named.map(|(_, value)| value.as_str()));
        let attributes = settings.attributes.iter().cloned().map(|(name, value)| KeyValue::new(name, value));
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attributes(attributes)
            .with_service_name(name.unwrap_or("sidehook").to_owned())
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        Ok(Self(Some(Arc::new(Sending { tracer: provider.tracer("sidehook"), provider }))))
    }

    /// A request has arrived. `traceparent` is the caller's header.
    pub fn request(&self, method: &str, traceparent: Option<&str>) -> Span {
        let Some(sending) = &self.0 else { return Span::default() };
        let method = known_method(method);
        let builder = SpanBuilder::from_name(method)
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("http.request.method", method)]);
        Span::begin(&sending.tracer, builder, traceparent.and_then(span::parse))
    }

    /// An execution begins, or goes on after it has waited. It belongs to its request where it runs for its caller, and
    /// else begins a trace of its own with a link to it.
    pub fn execution(&self, execution: ExecutionBegun<'_>, cause: &Cause) -> Span {
        let Some(sending) = &self.0 else { return Span::default() };
        let mut builder = SpanBuilder::from_name(format!("execution {}", execution.workflow))
            .with_kind(SpanKind::Internal)
            .with_attributes([
                KeyValue::new("sidehook.workflow.key", execution.workflow.to_owned()),
                // A number of JavaScript does not hold all of its digits.
                KeyValue::new("sidehook.execution.id", execution.id.to_string()),
            ]);
        let mut parent = cause.0.clone();
        if let Some(request) = parent.take_if(|_| !execution.is_sync) {
            builder = builder.with_links(vec![Link::with_context(request)]);
        }
        Span::begin(&sending.tracer, builder, parent)
    }

    /// Sends what is queued, for at most so long, and nothing after that.
    pub async fn stop(&self, limit: Duration) {
        let Some(sending) = self.0.clone() else { return };
        // It blocks its thread.
        let stopping = tokio::task::spawn_blocking(move || sending.provider.shutdown_with_timeout(limit));
        if !matches!(tokio::time::timeout(limit, stopping).await, Ok(Ok(Ok(())))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

/// A method as it is told: others could be any text (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>).
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}
