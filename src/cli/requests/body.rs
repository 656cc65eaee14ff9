//! The body of a request in the log: what is kept of it, and whether that is all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entity::request;

/// What is known of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// There was none, or it did not arrive.
    None,
    Whole(Vec<u8>),
    /// Its beginning.
    Cut(Vec<u8>),
    /// Nothing is kept of it.
    Left,
}

impl Body {
    pub(crate) fn of(row: &request::Model) -> Self {
        if row.body_size == 0 {
            return Self::None;
        }
        let bytes = row.body.as_ref().and_then(|text| match row.body_encoding.as_deref() {
            Some("base64") => STANDARD.decode(text).ok(),
            _ => Some(text.clone().into_bytes()),
        });
        match bytes {
            Some(bytes) if i64::try_from(bytes.len()) == Ok(row.body_size) => Self::Whole(bytes),
            Some(bytes) => Self::Cut(bytes),
            None => Self::Left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(body: Option<&str>, encoding: &str, body_size: i64) -> Body {
        let (body, body_encoding) = (body.map(str::to_owned), Some(encoding.to_owned()));
        Body::of(&request::Model { body, body_encoding, body_size, ..request::Model::default() })
    }

    #[test]
    fn what_is_kept_is_told_from_what_was_sent() {
        assert_eq!(body(None, "utf-8", 0), Body::None);
        assert_eq!(body(None, "utf-8", 5), Body::Left);
        assert_eq!(body(Some("é"), "utf-8", 2), Body::Whole("é".into()));
        assert_eq!(body(Some("é"), "utf-8", 3), Body::Cut("é".into()));
        assert_eq!(body(Some("/w=="), "base64", 1), Body::Whole(vec![255]));
        assert_eq!(body(Some("?"), "base64", 1), Body::Left);
    }
}
