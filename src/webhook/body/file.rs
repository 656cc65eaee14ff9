//! Bytes as a value: what is no text arrives whole, too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::expr::Value;

/// What bytes are of which nothing is said.
const UNNAMED: &str = "application/octet-stream";

/// `{filename, contentType, size, base64}`: `filename` only where there is one, the size in bytes.
pub(super) fn file(name: Option<&str>, content_type: Option<&str>, bytes: &[u8]) -> Value {
    let name = name.map(|name| ("filename", Value::from(name)));
    Value::object(name.into_iter().chain([
        ("contentType", Value::from(content_type.unwrap_or(UNNAMED))),
        ("size", Value::Number(bytes.len() as f64)),
        ("base64", Value::from(STANDARD.encode(bytes))),
    ]))
}
