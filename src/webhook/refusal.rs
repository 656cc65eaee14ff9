//! What a sender is told whose request is turned away, in the form in which NocoBase tells errors.

use std::time::Duration;

use super::memory::Shortage;
use crate::expr::{Value, json};

/// When a sender may try again that has been told 503.
const RETRY_AFTER_SECONDS: u32 = 2;

/// A request that is turned away, as it is told to the sender.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub status: u16,
    /// For the sender: it never repeats what was sent.
    pub message: String,
    /// Headers beside those of the body.
    pub headers: Vec<(&'static str, String)>,
    /// For the log alone: what the operator has to mend.
    pub reason: Option<String>,
}

impl Refusal {
    /// Any other refusal.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), headers: Vec::new(), reason: None }
    }

    /// The same with what the log says of it.
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// 400, for a body that cannot be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 401, for missing or wrong credentials; it does not tell which.
    pub fn unauthorized() -> Self {
        // The parameter asks clients to send UTF-8 (RFC 7617, section 2.1).
        let challenge = r#"Basic realm="webhook", charset="UTF-8""#.to_owned();
        let refusal = Self::new(401, "The credentials are missing or wrong.");
        Self { headers: vec![("WWW-Authenticate", challenge)], ..refusal }
    }

    /// 401, with the challenge of another scheme than basic authentication.
    pub fn challenged(challenge: impl Into<String>) -> Self {
        Self { headers: vec![("WWW-Authenticate", challenge.into())], ..Self::unauthorized() }
    }

    /// 401, for a bearer token that is missing, or was given and is wrong (RFC 6750, section 3).
    pub fn invalid_token(was_given: bool) -> Self {
        let error = if was_given { r#", error="invalid_token""# } else { "" };
        Self::challenged(format!(r#"Bearer realm="webhook"{error}"#))
    }

    /// 403, for an address that may not call.
    pub fn forbidden_address() -> Self {
        Self::new(403, "This webhook is not open to your address.")
    }

    /// 404, for a key that no enabled webhook workflow has.
    pub fn not_found() -> Self {
        Self::new(404, "No enabled webhook workflow has this key.")
    }

    /// 404, for a URL that is neither the server's own nor a workflow's.
    pub fn nothing_here() -> Self {
        Self::new(404, "Nothing is served at this URL.")
    }

    /// 405, with the methods that are allowed.
    pub fn method_not_allowed(methods: &[&str]) -> Self {
        let methods = methods.join(", ");
        let refusal = Self::new(405, format!("This webhook answers {methods} only."));
        Self { headers: vec![("Allow", methods)], ..refusal }
    }

    /// 408, for a body that does not arrive in time.
    pub fn timed_out() -> Self {
        Self::new(408, "The request did not arrive in time.")
    }

    /// 409, for another delivery of an event that is still run for an earlier one.
    pub fn under_way() -> Self {
        let refusal = Self::new(409, "An earlier delivery of this event is still under way.");
        Self { headers: vec![("Retry-After", RETRY_AFTER_SECONDS.to_string())], ..refusal }
    }

    /// 413, for a body of more than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        Self::new(413, format!("The body is larger than {limit} bytes."))
    }

    /// 415, for a body that cannot be read for the form in which it comes.
    pub fn unsupported_type(message: impl Into<String>) -> Self {
        Self::new(415, message)
    }

    /// 429, for a sender who has to wait for so long. The headers beside `Retry-After` are those of
    /// draft-ietf-httpapi-ratelimit-headers-10; they tell a quota of so many requests per time, where that is for those
    /// to know who are let in.
    pub fn too_many_requests(wait: Duration, quota: Option<(u32, Duration)>) -> Self {
        let seconds = |time: Duration| time.as_millis().div_ceil(1000).max(1);
        let wait = seconds(wait);
        let mut headers = vec![("Retry-After", wait.to_string())];
        if let Some((requests, per)) = quota {
            headers.push(("RateLimit-Policy", format!(r#""webhook";q={requests};w={}"#, seconds(per))));
            headers.push(("RateLimit", format!(r#""webhook";r=0;t={wait}"#)));
        }
        Self { headers, ..Self::new(429, "Too many requests; try again later.") }
    }

    /// 500, for what is wrong with the workflow or with this server.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }

    /// 503, for a server that cannot record executions at the moment.
    pub fn unavailable() -> Self {
        let refusal = Self::new(503, "Executions cannot be recorded at the moment.");
        Self { headers: vec![("Retry-After", RETRY_AFTER_SECONDS.to_string())], ..refusal }
    }

    /// 503, for a server whose memory others hold at the moment.
    pub fn busy() -> Self {
        Self { message: "Too many requests are under way at the moment.".to_owned(), ..Self::unavailable() }
    }

    /// What a sender is told for whose request there is no memory: 413 or 503.
    pub fn out_of_memory(shortage: Shortage) -> Self {
        match shortage {
            Shortage::Now => Self::busy(),
            Shortage::Ever => Self::new(413, "The body takes more memory than a single request may."),
        }
    }

    /// 503, for a trigger whose extensions this version does not know or cannot use.
    pub fn misconfigured() -> Self {
        Self::new(503, "The configuration of this webhook cannot be used.")
    }

    /// 503, where a file cannot be had by which it has to be decided who is let in.
    pub fn undecided() -> Self {
        Self {
            message: "It cannot be decided at the moment who is let in.".to_owned(),
            ..Self::unavailable()
        }
    }

    /// The server stops while the caller waits.
    pub fn stopping() -> Self {
        let refusal = Self::new(503, "This server stops while the execution waits; the execution goes on.");
        Self { headers: vec![("Retry-After", RETRY_AFTER_SECONDS.to_string())], ..refusal }
    }

    /// The body as JSON: `{"errors":[{"message":"…"}]}`, as NocoBase answers errors.
    pub fn body(&self) -> String {
        let error = Value::object([("message", Value::text(self.message.as_str()))]);
        json::stringify_or_null(&Value::object([("errors", Value::array(vec![error]))]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_a_refusal_is_json() {
        let refusal = Refusal::bad_request("a \"b\"");
        assert_eq!(refusal.body(), r#"{"errors":[{"message":"a \"b\""}]}"#);
    }

    #[test]
    fn unavailable_says_when_to_try_again() {
        assert_eq!(Refusal::unavailable().headers, [("Retry-After", "2".to_owned())]);
    }
}
