//! The body of a request as a value, by its content type, and what it may take.

mod media_type;
mod multipart;
pub mod qs;

use std::cell::Cell;

use self::media_type::{Charset, Kind, MediaType};
use super::memory::{Share, Shortage};
use super::refusal::Refusal;
use crate::expr::json::{Fault, Limits};
use crate::expr::{Value, json};

const ACCEPTED: &str = "JSON, application/x-www-form-urlencoded, multipart/form-data, text and XML";

/// The most values of a JSON body, those of arrays and objects included.
pub const MAX_VALUES: usize = 4_000_000;
/// What a body other than JSON takes at most while it is read, for each of its bytes: itself decoded (up to three
/// bytes of UTF-8 for one of a charset) or as base64, and once more as a value.
const TEXT_FACTOR: usize = 4;

/// Reads a body:
///
/// - none, or an empty one of whatever type: undefined;
/// - JSON: its value. As in NocoBase it is UTF-8 whatever its `charset` says, and bytes that are not are
///   replaced. Unlike there, it need not be an array or an object;
/// - `application/x-www-form-urlencoded`: an object, nested as [`qs::parse_form`] nests it;
/// - `multipart/form-data`: an object of fields and files, see [`multipart::parse`];
/// - `text/*` and XML: the text;
/// - of no type: the JSON value when it is JSON, else the text.
///
/// Forms and texts are in UTF-8 or in the `charset` given, which may be any that browsers know.
///
/// Refuses JSON with a syntax error and broken multipart bodies (400, with the place), other types and charsets
/// (415), what takes more memory than a request may (413) or than there is at the moment (503).
pub fn parse(content_type: Option<&str>, bytes: &[u8], share: &Share) -> Result<Value, Refusal> {
    if bytes.is_empty() {
        return Ok(Value::Undefined);
    }
    let media_type = MediaType::parse(content_type.unwrap_or_default());
    let kind = media_type.kind();
    if !matches!(kind, Kind::Json | Kind::Unnamed | Kind::Other) {
        share.grow(bytes.len().saturating_mul(TEXT_FACTOR)).map_err(out_of_memory)?;
    }
    match kind {
        Kind::Unnamed => match parse_json(bytes, share) {
            Err(refusal) if refusal.status == 400 => {
                share.grow(bytes.len().saturating_mul(TEXT_FACTOR)).map_err(out_of_memory)?;
                Ok(Value::text(Charset::UTF_8.decode(bytes)))
            }
            parsed => parsed,
        },
        Kind::Json => parse_json(bytes, share),
        Kind::Form => Ok(qs::parse_form(bytes, charset(&media_type)?)),
        Kind::Text => Ok(Value::text(charset(&media_type)?.decode(bytes))),
        Kind::Multipart => multipart::parse(media_type.boundary.as_deref(), bytes),
        Kind::Other => {
            Err(Refusal::unsupported_type(format!("Bodies of this type are not read; send {ACCEPTED}.")))
        }
    }
}

/// What a sender is told for whose request there is no memory.
pub fn out_of_memory(shortage: Shortage) -> Refusal {
    match shortage {
        Shortage::Now => Refusal::busy(),
        Shortage::Ever => Refusal::new(413, "The body takes more memory than a single request may."),
    }
}

fn charset(media_type: &MediaType) -> Result<Charset, Refusal> {
    let Some(label) = &media_type.charset else { return Ok(Charset::UTF_8) };
    let unknown = "The charset of the body is not one of the WHATWG's encoding standard.";
    Charset::of_label(label).ok_or_else(|| Refusal::unsupported_type(unknown))
}

fn parse_json(bytes: &[u8], share: &Share) -> Result<Value, Refusal> {
    let shortage = Cell::new(None);
    let take = |bytes: usize| share.grow(bytes).map_err(|met| shortage.set(Some(met))).is_ok();
    let limits = Limits { values: MAX_VALUES, take: &take };
    json::parse_within(Charset::UTF_8.decode(bytes).as_bytes(), limits).map_err(|fault| match fault {
        Fault::Syntax(fault) => Refusal::bad_request(format!("The body is not valid JSON: {fault}.")),
        Fault::TooManyValues(most) => Refusal::new(413, format!("The body has more than {most} values.")),
        Fault::OutOfMemory => out_of_memory(shortage.get().unwrap_or(Shortage::Now)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::memory::Memory;
    use super::*;

    fn share() -> Share {
        Memory::new(64 << 20).share()
    }

    fn read(content_type: &str, bytes: &[u8]) -> String {
        let value = parse(Some(content_type), bytes, &share()).expect("a readable body");
        json::stringify(&value).unwrap_or_else(|| "undefined".to_owned())
    }

    fn refused(content_type: &str, bytes: &[u8]) -> Refusal {
        parse(Some(content_type), bytes, &share()).expect_err("an unreadable body")
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
        assert!(parse(None, b"", &share()).is_ok_and(|value| value.is_undefined()));
    }

    #[test]
    fn a_body_without_a_type_is_json_or_text() {
        let read = |bytes| parse(None, bytes, &share()).ok().and_then(|value| json::stringify(&value));
        assert_eq!(read(b"{\"a\":1}").as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(read(b"{\"a\":").as_deref(), Some(r#""{\"a\":""#));
    }

    #[test]
    fn forms_nest() {
        let form = "application/x-www-form-urlencoded; charset=UTF-8";
        let expected = r#"{"a":{"b":"1 2"},"c":{"d":"✓"},"l":["x","y"]}"#;
        assert_eq!(read(form, b"a[b]=1+2&c.d=%E2%9C%93&l=x&l=y"), expected);
        let form = "application/x-www-form-urlencoded; charset=windows-1252";
        assert_eq!(read(form, b"a.b=%ED+1&\xe9=\x80"), r#"{"a":{"b":"í 1"},"é":"€"}"#);
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
            ("text/plain; charset=gbk", b"\xc4\xe3", "\"你\""),
            ("text/xml; charset=\"Shift_JIS\"", b"\x82\xa0", "\"あ\""),
            ("text/plain", b"a\xe9b", "\"a\u{fffd}b\""),
            ("application/xml", b"<a/>", "\"<a/>\""),
            ("application/soap+xml; charset=utf-8", b"<a/>", "\"<a/>\""),
        ];
        for (content_type, bytes, expected) in cases {
            assert_eq!(read(content_type, bytes), expected, "{content_type}");
        }
        for charset in ["utf-7", "nonsense"] {
            for media_type in ["text/plain", "application/x-www-form-urlencoded"] {
                assert_eq!(
                    refused(&format!("{media_type}; charset={charset}"), b"a").status,
                    415,
                    "{charset}"
                );
            }
        }
    }

    #[test]
    fn a_body_takes_its_part_of_the_memory_or_is_refused() {
        let body = format!("[{}{{}}]", "{},".repeat(10_000));
        for (content_type, least) in [("application/json", 600_000), ("text/plain", 60_000), ("", 600_000)] {
            let memory = Memory::new(16 << 20);
            let share = memory.share();
            assert!(parse(Some(content_type), body.as_bytes(), &share).is_ok());
            assert!(memory.used() >= least, "{content_type}: {}", memory.used());
            let small = Memory::new(least);
            let status = |share: &Share| {
                let parsed = parse(Some(content_type), body.as_bytes(), share);
                parsed.map_or_else(|refusal| refusal.status, |_| 200)
            };
            assert_eq!(status(&small.share()), 413, "{content_type} is more than half of it");
            let others = memory.share();
            assert_eq!(others.grow(8 << 20), Ok(()));
            let rest = memory.share();
            assert_eq!(rest.grow((8 << 20) - memory.used() % (8 << 20)), Ok(()));
            assert_eq!(status(&memory.share()), 503, "{content_type} has no place beside others");
        }
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
            match parse(Some(&content_type), &bytes, &share()) {
                Ok(value) => prop_assert_eq!(value.is_undefined(), bytes.is_empty()),
                Err(refusal) => prop_assert!(matches!(refusal.status, 400 | 415)),
            }
        }
    }
}
