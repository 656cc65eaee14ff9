//! A message through a channel of the type `email`: what of it becomes a letter, and what the log says when it was not
//! taken (`mail-server.ts` of NocoBase's plugin `notification-email`).

use chrono::{DateTime, Utc};

use crate::expr::convert::trim;
use crate::expr::{Thrown, Value, json};
use crate::node::mailer::{Letter, provider};
use crate::outbound::mail::{Provider, Undelivered};

/// A mail that can be sent.
pub(super) struct Mail {
    pub letter: Letter,
    pub provider: Result<Provider, Undelivered>,
}

/// The mail of a message. An error is the reason that NocoBase logs.
pub(super) fn mail(
    message: &Value,
    options: &Value,
    effect_key: String,
    now: DateTime<Utc>,
) -> Result<Mail, String> {
    if options.is_nullish() {
        let is = if options.is_undefined() { "undefined" } else { "null" };
        return Err(format!(
            "TypeError: Cannot destructure property 'host' of 'channel.options' as it is {is}."
        ));
    }
    parts(message, options, effect_key, now).map_err(|thrown| failure(&thrown.message, message))
}

fn parts(message: &Value, options: &Value, effect_key: String, now: DateTime<Utc>) -> Result<Mail, Thrown> {
    let auth = Value::object([("user", options.member("account")), ("pass", options.member("password"))]);
    let members = ["host", "port", "secure"].map(|name| (name, options.member(name)));
    let server = Value::object(members.into_iter().chain([("auth", auth)]));
    let is_html = message.member("contentType").as_str() == Some("html");
    let letter = Letter {
        from: options.member("from"),
        to: recipients(message, "to")?,
        cc: recipients(message, "cc")?,
        bcc: recipients(message, "bcc")?,
        subject: message.member("subject"),
        is_html,
        content: message.member(if is_html { "html" } else { "text" }),
        effect_key,
        now,
    };
    Ok(Mail { letter, provider: provider::of(&server)? })
}

/// The recipients of a list of texts and lists of them, without blank ones.
fn recipients(message: &Value, name: &str) -> Result<Value, Thrown> {
    let configured = message.member(name);
    if !configured.is_truthy() {
        return Ok(Value::Undefined);
    }
    let list =
        configured.as_array().ok_or_else(|| Thrown::type_error(format!("{name}.flat is not a function")))?;
    let mut recipients = Vec::new();
    for item in list.items().iter().flat_map(|item| match item {
        Value::Array(inner, _) => inner.items().to_vec(),
        item => vec![item.clone()],
    }) {
        match &item {
            Value::Undefined | Value::Null => {}
            Value::Text(text) if trim(text).is_empty() => {}
            Value::Text(text) => recipients.push(Value::text(trim(text))),
            _ => return Err(Thrown::type_error("item.trim is not a function")),
        }
    }
    Ok(Value::array(recipients))
}

/// What NocoBase logs as the reason when a mail was not taken.
pub(super) fn failure(reason: &str, message: &Value) -> String {
    json::stringify_or_null(&Value::object([
        ("status", Value::from("failure")),
        ("reason", Value::text(reason)),
        ("message", message.clone()),
    ]))
}
