//! Sends an HTTP request and records the answer (`RequestInstruction.ts` of NocoBase's plugin
//! `workflow-request`, with axios as its client). Beside NocoBase it sends an `Idempotency-Key`, limits the
//! answer's length and never goes to metadata services.

mod body;
mod head;
mod result;

use std::time::Duration;

use async_trait::async_trait;
use entity::status::job::{FAILED, PENDING, RESOLVED};
use serde::Deserialize;

use super::{Context, Draft, Example, Files, JobId, Node, NodeType, Outcome, Settled, Work};
use crate::expr::convert::{to_text, trim};
use crate::expr::{Scope, Template, Thrown, Value};
use crate::outbound::{Answer, Client, Failure, Hop, Timeout};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Request {
    /// Of http or https.
    url: Template,
    /// POST unless given.
    method: Template,
    /// `application/json` unless given.
    content_type: Template,
    /// `[{name, value}]`.
    headers: Template,
    /// `[{name, value}]`, for the query.
    params: Template,
    /// JSON; `[{name, value}]` for forms; `[{name, valueType, text, file}]` for multipart forms; or text.
    data: Template,
    /// How long to wait, in milliseconds: 5000 unless given, for ever when 0.
    timeout: Template,
    /// Whether the job is resolved whatever comes.
    ignore_fail: Template,
    /// Whether the result is only the data of the answer, without status and headers.
    only_data: Template,
}

/// The configuration with its templates filled in.
struct Rendered {
    url: Value,
    method: Value,
    content_type: Value,
    headers: Value,
    params: Value,
    data: Value,
    timeout: Value,
    ignore_fail: bool,
    only_data: bool,
}

/// What is sent for those who tell requests from each other.
struct Marks {
    effect_key: String,
    traceparent: Option<String>,
}

#[async_trait]
impl Node for Request {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let rendered = self.render(&cx.scope()?)?;
        let interrupted = result::failed(&Failure::canceled(), rendered.ignore_fail);
        let now = cx.host().now();
        let services = cx.services();
        let (client, files) = (services.requests.clone(), services.files.at(now));
        let marks = Marks { effect_key: cx.effect_key(), traceparent: cx.traceparent() };
        Ok(Outcome::Background(Work {
            pending: Draft { status: PENDING, upstream: cx.input(), ..Draft::default() },
            interrupted: Some(interrupted),
            timed_out: None,
            done: Box::pin(async move { rendered.settle(&client, &files, &marks).await }),
        }))
    }

    /// NocoBase looks here at the configuration as it is stored, templates not filled in.
    async fn resume(&self, cx: &mut Context<'_>, job: JobId) -> Result<Outcome, Thrown> {
        if self.ignore_fail.is_truthy() {
            cx.run().set_status(job, RESOLVED);
        }
        Ok(Outcome::Continue(job))
    }
}

impl Request {
    fn render(&self, scope: &Scope) -> Result<Rendered, Thrown> {
        Ok(Rendered {
            url: self.url.render(scope)?,
            method: self.method.render(scope)?,
            content_type: self.content_type.render(scope)?,
            headers: self.headers.render(scope)?,
            params: self.params.render(scope)?,
            data: self.data.render(scope)?,
            timeout: self.timeout.render(scope)?,
            ignore_fail: self.ignore_fail.render(scope)?.is_truthy(),
            only_data: self.only_data.render(scope)?.is_truthy(),
        })
    }
}

impl Rendered {
    async fn settle(self, client: &Client, files: &Files, marks: &Marks) -> Settled {
        match self.send(client, files, marks).await {
            Ok(answer) => result::answered(answer, self.only_data),
            Err(failure) => result::failed(&failure, self.ignore_fail),
        }
    }

    async fn send(&self, client: &Client, files: &Files, marks: &Marks) -> Result<Answer, Failure> {
        let mut url = head::url(&self.url)?;
        let json = Value::from("application/json");
        let content_type = if self.content_type.is_undefined() { &json } else { &self.content_type };
        let is_multipart = content_type.as_str() == Some(body::MULTIPART);
        let mut headers = head::headers(&self.headers, (!is_multipart).then_some(content_type))?;
        let target = head::target(&url, &self.params)?;
        // Redirects are relative to it.
        url.set_query(target.split_once('?').map(|(_, query)| query));
        let method = head::method(&self.method)?;
        let body = match method.as_str() {
            "GET" => body::Body::default(),
            _ => body::build(content_type, &self.data, files).await?,
        };
        if let Some(content_type) = body.content_type {
            headers.set("Content-Type", content_type);
        } else if matches!(method.as_str(), "POST" | "PUT" | "PATCH") && !content_type.is_nullish() {
            // axios's default, for a multipart form without data.
            headers.set_default("Content-Type", "application/x-www-form-urlencoded");
        }
        head::complete(&mut headers, &marks.effect_key);
        if let Some(traceparent) = &marks.traceparent {
            headers.set_default("traceparent", traceparent.as_str());
        }
        head::check_names(&headers)?;
        let timeout = timeout(&self.timeout)?;
        client.send(Hop { url, target, method, headers, body: body.bytes }, timeout.as_ref()).await
    }
}

/// The configured timeout: 5 s when there is none, no limit for 0, null and the like.
fn timeout(configured: &Value) -> Result<Option<Timeout>, Failure> {
    let configured = if configured.is_undefined() { &Value::from(5000) } else { configured };
    if !configured.is_truthy() {
        return Ok(None);
    }
    let text = to_text(configured)?;
    let trimmed = trim(&text);
    let (is_negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        let message = "error trying to parse `config.timeout` to int";
        return Err(Failure::coded("ERR_BAD_OPTION_VALUE", message));
    }
    // A month is as good as for ever.
    const LONGEST: u64 = 30 * 86_400_000;
    let milliseconds = if is_negative { 0 } else { digits[..end].parse().unwrap_or(LONGEST) };
    Ok(Some(Timeout { duration: Duration::from_millis(milliseconds.min(LONGEST)), text }))
}

impl NodeType for Request {
    const TYPE: &'static str = "request";
    const ABOUT: &'static str = "Sends an HTTP request; the answer is the result. It has limits and never reaches the metadata services of clouds.";
    const HAS_OUTSIDE_EFFECTS: bool = true;

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Goes on although nobody answers; with an answer, the result is {status, statusText, headers, data}",
                config: r#"{"method": "POST", "url": "http://127.0.0.1:1/orders/{{$context.body.id}}",
                            "headers": [{"name": "X-Token", "value": "{{$env.TOKEN}}"}],
                            "data": {"id": "{{$context.body.id}}"}, "ignoreFail": true}"#,
                context: r#"{"body": {"id": 7}}"#,
                status: RESOLVED,
                result: r#"{"message":"connect ECONNREFUSED 127.0.0.1:1","code":"ECONNREFUSED"}"#,
            },
            Example {
                about: "Fails without a URL of the web",
                config: r#"{"method": "GET", "url": "{{$context.body.url}}"}"#,
                context: r#"{"body": {"url": "ftp://example.com/"}}"#,
                status: FAILED,
                result: r#"{"message":"Invalid URL","code":"ERR_INVALID_URL"}"#,
            },
        ]
    }
}

#[cfg(test)]
mod tests;
