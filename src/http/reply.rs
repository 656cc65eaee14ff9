//! Answers as HTTP responses.

use poem::Response;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};

use crate::webhook::refusal::Refusal;
use crate::webhook::reply::Reply;

pub fn refused(refusal: Refusal) -> Response {
    replied(refusal.into())
}

pub fn replied(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::builder().status(status).finish();
    if let Some(body) = reply.body {
        if let Ok(content_type) = HeaderValue::from_str(&body.content_type) {
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        response.set_body(body.bytes);
    }
    for (name, value) in &reply.headers {
        // One byte per character: values are ISO 8859-1.
        let value: Vec<u8> = value.chars().map(|c| c as u8).collect();
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
