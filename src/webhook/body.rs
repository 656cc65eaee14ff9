//! The body of a request as a value, by its content type.

use super::media_type::{MediaType, utf8};
use super::refusal::Refusal;
use super::{multipart, qs};
use crate::expr::{Value, json};

/// Beside these, every type that ends in `+json` is JSON.
const JSON_TYPES: [&str; 3] = ["application/json", "text/json", "application/csp-report"];
const ACCEPTED: &str = "JSON, application/x-www-form-urlencoded, multipart/form-data, text and XML";

/// Reads a body:
///
/// - none, or an empty one of whatever type: undefined;
/// - JSON: its value. As in NocoBase it is UTF-8 whatever its `charset` says, and bytes that are not are
///   replaced. Unlike there, it need not be an array or an object;
/// - `application/x-www-form-urlencoded`: an object, nested as [`qs::parse_form`] nests it;
/// - `multipart/form-data`: an object of fields and files, see [`multipart::parse`];
/// - `text/*` and XML: the text, in UTF-8 or the `charset` given;
/// - of no type: the JSON value when it is JSON, else the text.
///
/// Refuses JSON with a syntax error and broken multipart bodies (400, with the place), and other types and
/// charsets (415).
pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.is_empty() {
        return Ok(Value::Undefined);
    }
    let media_type = MediaType::parse(content_type.unwrap_or_default());
    match kind(&media_type.essence) {
        Kind::Unnamed => Ok(parse_json(&utf8(bytes)).unwrap_or_else(|_| Value::text(utf8(bytes)))),
        Kind::Json => parse_json(&utf8(bytes)),
        Kind::Form => Ok(qs::parse_form(&utf8(bytes))),
        Kind::Text => media_type.decode(bytes).map(Value::from),
        Kind::Multipart => multipart::parse(media_type.boundary.as_deref(), bytes),
        Kind::Other => {
            Err(Refusal::unsupported_type(format!("Bodies of this type are not read; send {ACCEPTED}.")))
        }
    }
}

enum Kind {
    /// No content type was given.
    Unnamed,
    Json,
    Form,
    Text,
    Multipart,
    Other,
}

fn kind(essence: &str) -> Kind {
    match essence {
        "" => Kind::Unnamed,
        "application/x-www-form-urlencoded" => Kind::Form,
        "multipart/form-data" => Kind::Multipart,
        essence if JSON_TYPES.contains(&essence) || essence.ends_with("+json") => Kind::Json,
        "application/xml" => Kind::Text,
        essence if essence.starts_with("text/") || essence.ends_with("+xml") => Kind::Text,
        _ => Kind::Other,
    }
}

fn parse_json(text: &str) -> Result<Value, Refusal> {
    json::parse(text.as_bytes()).map_err(|fault| {
        // The parser says what it expected and where, and nothing of what it found.
        Refusal::bad_request(format!("The body is not valid JSON: {fault}."))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(content_type: &str, bytes: &[u8]) -> String {
        let value = parse(Some(content_type), bytes).expect("a readable body");
        json::stringify(&value).unwrap_or_else(|| "undefined".to_owned())
    }

    fn refused(content_type: &str, bytes: &[u8]) -> Refusal {
        parse(Some(content_type), bytes).expect_err("an unreadable body")
    }

    #[test]
    fn json_is_read_under_all_its_types() {
        let types = [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON ; charset=\"UTF-8\"",
            "application/json;charset=iso-8859-1",
            "application/vnd.api+json",
            "application/cloudevents+json; charset=utf-8",
            "text/json",
            "application/csp-report",
        ];
        for content_type in types {
            let expected = r#"{"2":"é","b":[1,null]}"#;
            assert_eq!(
                read(content_type, r#"{"b":[1,null],"2":"é"}"#.as_bytes()),
                expected,
                "{content_type}"
            );
        }
        assert_eq!(read("application/json", b"12"), "12");
        assert_eq!(read("application/json", b"\xef\xbb\xbf[1]"), "[1]");
        assert_eq!(read("application/json", b"[\"\xe9\"]"), "[\"\u{fffd}\"]");
    }

    #[test]
    fn an_empty_body_is_none_of_whatever_type() {
        for content_type in ["application/json", "text/plain", "multipart/form-data", "image/png", ""] {
            assert_eq!(read(content_type, b""), "undefined", "{content_type}");
        }
        assert!(parse(None, b"").is_ok_and(|value| value.is_undefined()));
    }

    #[test]
    fn a_body_without_a_type_is_json_or_text() {
        let read = |bytes| parse(None, bytes).ok().and_then(|value| json::stringify(&value));
        assert_eq!(read(b"{\"a\":1}").as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(read(b"{\"a\":").as_deref(), Some(r#""{\"a\":""#));
    }

    #[test]
    fn forms_nest() {
        let form = "application/x-www-form-urlencoded; charset=UTF-8";
        let expected = r#"{"a":{"b":"1 2"},"c":{"d":"✓"},"l":["x","y"]}"#;
        assert_eq!(read(form, b"a[b]=1+2&c.d=%E2%9C%93&l=x&l=y"), expected);
    }

    #[test]
    fn multipart_forms_do_not_nest() {
        let body = b"--B\r\nContent-Disposition: form-data; name=\"a[b]\"\r\n\r\n1\r\n--B--\r\n";
        assert_eq!(read("Multipart/Form-Data; boundary=B", body), r#"{"a[b]":"1"}"#);
        assert_eq!(refused("multipart/form-data", body).status, 400);
    }

    #[test]
    fn texts_are_decoded_by_their_charset() {
        let cases = [
            ("text/plain", "é✓".as_bytes(), "\"é✓\""),
            ("text/plain; charset=ISO-8859-1", b"\xe9", "\"é\""),
            ("text/csv; header=present; Charset=\"latin1\"", b"\xe9", "\"é\""),
            ("text/plain; charset=us-ascii", b"a\xe9", "\"a\u{fffd}\""),
            ("text/plain", b"a\xe9b", "\"a\u{fffd}b\""),
            ("application/xml", b"<a/>", "\"<a/>\""),
            ("application/soap+xml; charset=utf-8", b"<a/>", "\"<a/>\""),
        ];
        for (content_type, bytes, expected) in cases {
            assert_eq!(read(content_type, bytes), expected, "{content_type}");
        }
        assert_eq!(refused("text/plain; charset=utf-16", b"a").status, 415);
    }

    #[test]
    fn other_types_are_refused_with_what_is_accepted() {
        for content_type in ["multipart/mixed; boundary=x", "image/png", "x"] {
            let refusal = refused(content_type, b"a");
            assert_eq!(refusal.status, 415, "{content_type}");
            assert!(refusal.message.contains("JSON"), "{}", refusal.message);
        }
    }

    #[test]
    fn broken_json_is_refused_with_its_place_only() {
        for body in ["{\"secret\": secret}", "[\"secret\",\n secret]", "{\"secret\"}", "\"secret", "secret"] {
            let refusal = refused("application/json", body.as_bytes());
            assert_eq!(refusal.status, 400, "{body}");
            assert!(refusal.message.contains("line "), "{}", refusal.message);
            assert!(!refusal.message.contains("secret"), "{}", refusal.message);
        }
        let refusal = refused("application/json", b"{\n  a}");
        assert_eq!(refusal.message, "The body is not valid JSON: key must be a string at line 2 column 3.");
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(
            content_type in prop_oneof![
                Just("application/json".to_owned()),
                Just("application/x-www-form-urlencoded".to_owned()),
                "multipart/form-data(; boundary=[a-z]{0,2})?",
                "(text/plain|a/b\\+xml); charset=[a-z0-9-]{0,10}",
                "\\PC{0,30}",
            ],
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            match parse(Some(&content_type), &bytes) {
                Ok(value) => prop_assert_eq!(value.is_undefined(), bytes.is_empty()),
                Err(refusal) => prop_assert!(matches!(refusal.status, 400 | 415)),
            }
        }
    }
}
