//! What the job of a mail gets: nodemailer's `info` of one that was taken, and the own members of its error for one
//! that was not. NocoBase loses an error's message; it is recorded here where nothing else says what was wrong.

use entity::status::job::{FAILED, RESOLVED};

use super::letter::Written;
use crate::expr::{Object, Value};
use crate::node::Settled;
use crate::outbound::Failure;
use crate::outbound::mail::{Delivered, Refusal, SocketError, Undelivered};

/// A resolved job with `{accepted, rejected, ehlo, rejectedErrors, envelopeTime, …, envelope, messageId}`.
pub(super) fn delivered(written: &Written, delivered: &Delivered) -> Settled {
    let mut result = Object::new();
    result.insert("accepted", texts(&delivered.accepted));
    result.insert("rejected", recipients(&delivered.refused));
    if !delivered.extensions.is_empty() {
        result.insert("ehlo", texts(&delivered.extensions));
    }
    if !delivered.refused.is_empty() {
        result.insert("rejectedErrors", errors(&delivered.refused));
    }
    result.insert("envelopeTime", Value::from(delivered.envelope_time.as_millis() as f64));
    result.insert("messageTime", Value::from(delivered.message_time.as_millis() as f64));
    result.insert("messageSize", Value::from(delivered.message_size as f64));
    result.insert("response", Value::text(delivered.response.as_str()));
    let mail = &written.mail;
    let envelope = Value::object([("from", Value::text(mail.from.as_str())), ("to", texts(&mail.to))]);
    result.insert("envelope", envelope);
    result.insert("messageId", Value::text(written.message_id.as_str()));
    Settled { status: RESOLVED, result: Value::from(result) }
}

/// A failed job with `{errno, code, syscall, address, port, hostname, response, responseCode, command, rejected,
/// rejectedErrors}`, as far as there are such.
pub(super) fn failed(failure: &Undelivered) -> Settled {
    let mut result = Object::new();
    let code = |result: &mut Object| {
        if let Some(code) = failure.code {
            result.insert("code", Value::from(code));
        }
    };
    match failure.socket.as_deref() {
        None => code(&mut result),
        Some(SocketError::Connect { errno, address }) => {
            insert_errno(&mut result, *errno);
            code(&mut result);
            result.insert("syscall", Value::from("connect"));
            result.insert("address", Value::from(address.ip().to_string()));
            result.insert("port", Value::from(i32::from(address.port())));
        }
        Some(SocketError::Lookup { errno, host }) => {
            result.insert("errno", Value::from(*errno));
            code(&mut result);
            result.insert("syscall", Value::from("getaddrinfo"));
            result.insert("hostname", Value::text(host.as_str()));
        }
        Some(SocketError::Broken { errno, call }) => {
            insert_errno(&mut result, *errno);
            code(&mut result);
            result.insert("syscall", Value::from(*call));
        }
    }
    if let Some(reply) = &failure.reply {
        insert_reply(&mut result, reply);
    }
    if let Some(command) = failure.command {
        result.insert("command", Value::from(command));
    }
    if !failure.refused.is_empty() {
        result.insert("rejected", recipients(&failure.refused));
        result.insert("rejectedErrors", errors(&failure.refused));
    }
    if failure.reply.is_none() && failure.socket.is_none() {
        result.insert("message", Value::text(failure.message.as_str()));
    }
    Settled { status: FAILED, result: Value::from(result) }
}

/// A failed job with `{code, message}`: an attachment cannot be read.
pub(super) fn unread(failure: &Failure) -> Settled {
    let mut result = Object::new();
    if let Some(code) = &failure.code {
        result.insert("code", Value::text(code.as_str()));
    }
    result.insert("message", Value::text(failure.message.as_str()));
    Settled { status: FAILED, result: Value::from(result) }
}

/// Node.js has the numbers of the system below zero.
fn insert_errno(result: &mut Object, errno: Option<i32>) {
    if let Some(errno) = errno {
        result.insert("errno", Value::from(-errno));
    }
}

fn insert_reply(result: &mut Object, reply: &str) {
    result.insert("response", Value::text(reply));
    let digits = reply.find(|c: char| !c.is_ascii_digit()).unwrap_or(reply.len());
    if let Ok(code) = reply[..digits].parse::<i32>() {
        result.insert("responseCode", Value::from(code));
    }
}

fn texts(texts: &[String]) -> Value {
    Value::array(texts.iter().map(|text| Value::text(text.as_str())).collect())
}

fn recipients(refused: &[Refusal]) -> Value {
    Value::array(refused.iter().map(|refusal| Value::text(refusal.recipient.as_str())).collect())
}

fn errors(refused: &[Refusal]) -> Value {
    let error = |refusal: &Refusal| {
        let mut error = Object::new();
        error.insert("code", Value::from("EENVELOPE"));
        insert_reply(&mut error, &refusal.reply);
        error.insert("command", Value::from("RCPT TO"));
        error.insert("recipient", Value::text(refusal.recipient.as_str()));
        Value::from(error)
    };
    Value::array(refused.iter().map(error).collect())
}
