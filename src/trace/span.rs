//! A span while it lasts, and how spans are named to others: `traceparent` of <https://www.w3.org/TR/trace-context/>.

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};

/// Something that goes on, from its beginning until this is dropped. Nothing where no traces are sent.
#[derive(Default)]
pub struct Span(Option<Box<Open>>);

struct Open {
    span: SdkSpan,
    tracer: SdkTracer,
}

/// The request that something is done for.
#[derive(Clone, Debug, Default)]
pub struct Cause(pub(super) Option<SpanContext>);

impl Span {
    pub(super) fn begin(tracer: &SdkTracer, builder: SpanBuilder, parent: Option<SpanContext>) -> Self {
        let around = Context::new();
        let around = match parent {
            Some(parent) => around.with_remote_span_context(parent),
            None => around,
        };
        let span = tracer.build_with_context(builder, &around);
        Self(Some(Box::new(Open { span, tracer: tracer.clone() })))
    }

    /// Whether anybody is told of it.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// A request is for this workflow. `route` is the form of its URL, without what stands for its parameters.
    pub fn found(&mut self, workflow: &str, route: &str) {
        let Some(open) = &mut self.0 else { return };
        open.span.update_name(route.to_owned());
        open.set("http.route", route.to_owned());
        open.set("sidehook.workflow.key", workflow.to_owned());
    }

    /// A request was answered, which ends it.
    pub fn answered(&mut self, status: u16) {
        let Some(mut open) = self.0.take() else { return };
        open.span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            open.span.set_status(Status::error(""));
        }
        open.span.end();
    }

    /// An execution has ended, or waits with the status 0; the status is that of its row.
    pub fn execution_ended(&mut self, status: i32) {
        self.end("sidehook.execution.status", status);
    }

    /// A node has run; the status is that of its job.
    pub fn node_ended(&mut self, status: i32) {
        self.end("sidehook.job.status", status);
    }

    fn end(&mut self, name: &'static str, status: i32) {
        let Some(mut open) = self.0.take() else { return };
        open.set(name, i64::from(status));
        if status < 0 {
            open.span.set_status(Status::error(""));
        }
        open.span.end();
    }

    /// A node of this execution is run. `node_type` is one of those that sidehook knows.
    pub fn node(&self, node_type: &str, key: &str) -> Self {
        let Some(open) = &self.0 else { return Self::default() };
        let kind = if node_type == "request" { SpanKind::Client } else { SpanKind::Internal };
        let builder = SpanBuilder::from_name(format!("node {node_type}")).with_kind(kind).with_attributes([
            KeyValue::new("sidehook.node.type", node_type.to_owned()),
            KeyValue::new("sidehook.node.key", key.to_owned()),
        ]);
        Self::begin(&open.tracer, builder, Some(open.span.span_context().clone()))
    }

    /// What others have as the reason for what they do for this.
    pub fn cause(&self) -> Cause {
        Cause(self.0.as_ref().map(|open| open.span.span_context().clone()))
    }

    /// The header by which servers learn what they are called for.
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?.span.span_context();
        let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
        Some(format!("00-{trace}-{span}-{flags:02x}"))
    }
}

impl Open {
    fn set(&mut self, name: &'static str, value: impl Into<opentelemetry::Value>) {
        self.span.set_attribute(KeyValue::new(name, value));
    }
}

/// The span that a `traceparent` names. A caller's `tracestate` is not taken over: it is a header like any other.
pub(super) fn parse(header: &str) -> Option<SpanContext> {
    let parts: Vec<&str> = header.trim().split('-').collect();
    let [version, trace, span, flags, ref more @ ..] = parts[..] else { return None };
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    // Later versions may add parts.
    if !is_whole || version == "ff" || (version == "00" && !more.is_empty()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default())).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_headers_name_a_span() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(parse(good).is_some_and(|context| context.is_sampled() && context.is_remote()));
        assert!(parse(&good.replace("-01", "-00")).is_some_and(|context| !context.is_sampled()));
        assert!(parse(&format!("{}-more", good.replace("00-0a", "cc-0a"))).is_some());
        for bad in [
            String::new(),
            good.to_uppercase(),
            format!("{good}-more"),
            good.replace("00-0a", "ff-0a"),
            good.replace("b7ad6b7169203331", "0000000000000000"),
            good[..good.len() - 1].to_owned(),
        ] {
            assert!(parse(&bad).is_none(), "{bad}");
        }
    }
}
