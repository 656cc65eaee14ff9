//! Answers as HTTP responses.

use poem::Response;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};

use crate::field;
use crate::webhook::refusal::Refusal;
use crate::webhook::reply::Reply;

pub(super) fn refused(refusal: Refusal) -> Response {
    replied(refusal.into())
}

pub(super) fn replied(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::builder().status(status).finish();
    if let Some(body) = reply.body {
        if let Some(content_type) = value(&body.content_type) {
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        response.set_body(body.bytes);
    }
    for (name, text) in &reply.headers {
        if let (Ok(name), Some(value)) = (HeaderName::try_from(name), value(text)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// One byte per character: values are ISO 8859-1.
fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(field::bytes(text)?).ok()
}
