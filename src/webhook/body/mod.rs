//! The body of a request as a value, by its content type, and what it may take.

pub mod coding;
mod file;
mod media_type;
mod multipart;
mod options;
pub mod qs;

use std::cell::Cell;

pub use self::options::Options;

use self::file::file;
use self::media_type::{Charset, Kind, MediaType};
use super::memory::Share;
use super::refusal::Refusal;
use crate::expr::json::{Fault, Limits};
use crate::expr::{Value, json};

/// The most values of a JSON body, those of arrays and objects included.
pub const MAX_VALUES: usize = 4_000_000;
/// What a body other than JSON takes at most while it is read, for each of its bytes: itself decoded (up to three
/// bytes of UTF-8 for one of a charset) or as base64, and once more as a value.
const TEXT_FACTOR: usize = 4;

/// Reads a body that is not compressed (any more):
///
/// - none, or an empty one of whatever type: undefined;
/// - JSON: its value. As in NocoBase it is UTF-8 whatever its `charset` says, and bytes that are not are
///   replaced. Unlike there, it need not be an array or an object;
/// - newline-delimited JSON: an array of its values;
/// - `application/x-www-form-urlencoded`: an object, nested as [`qs::parse_form`] nests it;
/// - `multipart/form-data`: an object of fields and files, see [`multipart::parse`];
/// - `text/*` and XML: the text;
/// - of no type: the JSON value when it is JSON, else the text;
/// - everything else, and what is in a charset that is not known: `{contentType, size, base64}`.
///
/// Forms and texts are in UTF-8 or in the `charset` given, which may be any that browsers know. Where parts of the body
/// are picked, a form or a `text/plain` that is a JSON array or object counts as JSON.
///
/// Refuses JSON with a syntax error and broken multipart bodies (400, with the place), and what takes more memory than
/// a request may (413) or than there is at the moment (503).
pub fn parse(
    content_type: Option<&str>,
    bytes: &[u8],
    options: &Options,
    share: &Share,
) -> Result<Value, Refusal> {
    let body = read(content_type, bytes, options, share)?;
    options.with_parsed_fields(body, &|text| json_or_nothing(text.as_bytes(), share))
}

/// The body as it was sent: a text, or `{contentType, size, base64}` where it is no UTF-8; undefined for an empty one.
pub fn raw(content_type: Option<&str>, bytes: &[u8], share: &Share) -> Result<Value, Refusal> {
    if bytes.is_empty() {
        return Ok(Value::Undefined);
    }
    share.grow(bytes.len().saturating_mul(TEXT_FACTOR)).map_err(Refusal::out_of_memory)?;
    Ok(std::str::from_utf8(bytes).map_or_else(|_| file(None, content_type, bytes), Value::text))
}

fn read(
    content_type: Option<&str>,
    bytes: &[u8],
    options: &Options,
    share: &Share,
) -> Result<Value, Refusal> {
    if bytes.is_empty() {
        return Ok(Value::Undefined);
    }
    let media_type = MediaType::parse(content_type.unwrap_or_default());
    let kind = media_type.kind();
    let may_be_json = match kind {
        Kind::Json => return parse_json(bytes, share, json::parse_within),
        Kind::Lines => return parse_json(bytes, share, json::parse_all_within),
        Kind::Unnamed => true,
        Kind::Form | Kind::Plain => options.is_picked_from && looks_like_json(bytes),
        Kind::Text | Kind::Multipart | Kind::Other => false,
    };
    let charset = media_type.charset.as_ref().map_or(Some(Charset::UTF_8), |label| Charset::of_label(label));
    share.grow(bytes.len().saturating_mul(TEXT_FACTOR)).map_err(Refusal::out_of_memory)?;
    if may_be_json
        && let Some(charset) = charset
        && let Some(value) = json_or_nothing(charset.decode(bytes).as_bytes(), share)?
    {
        return Ok(value);
    }
    Ok(match (kind, charset) {
        (Kind::Multipart, _) => multipart::parse(media_type.boundary.as_deref(), bytes)?,
        (Kind::Form, Some(charset)) => qs::parse_form(bytes, charset),
        (Kind::Plain | Kind::Text, Some(charset)) => Value::text(charset.decode(bytes)),
        (Kind::Unnamed, _) => {
            let text = Charset::UTF_8.decode_all(bytes);
            text.map_or_else(|| file(None, None, bytes), Value::text)
        }
        _ => file(None, content_type, bytes),
    })
}

/// Whether it begins as an array or an object does.
fn looks_like_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The JSON value; nothing where it is none.
fn json_or_nothing(bytes: &[u8], share: &Share) -> Result<Option<Value>, Refusal> {
    match parse_json(bytes, share, json::parse_within) {
        Ok(value) => Ok(Some(value)),
        Err(refusal) if refusal.status == 400 => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

type Parse = fn(&[u8], Limits<'_>) -> Result<Value, Fault>;

fn parse_json(bytes: &[u8], share: &Share, parse: Parse) -> Result<Value, Refusal> {
    let shortage = Cell::new(None);
    let take = |bytes: usize| share.grow(bytes).map_err(|met| shortage.set(Some(met))).is_ok();
    let limits = Limits { values: MAX_VALUES, take: &take };
    parse(Charset::UTF_8.decode(bytes).as_bytes(), limits).map_err(|fault| match fault {
        Fault::Syntax(fault) => Refusal::bad_request(format!("The body is not valid JSON: {fault}.")),
        Fault::TooManyValues(most) => Refusal::new(413, format!("The body has more than {most} values.")),
        Fault::OutOfMemory => shortage.get().map_or_else(Refusal::busy, Refusal::out_of_memory),
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
        let value = parse(Some(content_type), bytes, &Options::default(), &share()).expect("a readable body");
        json::stringify(&value).unwrap_or_else(|| "undefined".to_owned())
    }

    fn refused(content_type: &str, bytes: &[u8]) -> Refusal {
        parse(Some(content_type), bytes, &Options::default(), &share()).expect_err("an unreadable body")
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
        assert!(parse(None, b"", &Options::default(), &share()).is_ok_and(|value| value.is_undefined()));
    }

    #[test]
    fn a_body_without_a_type_is_json_or_text() {
        let read = |bytes| {
            parse(None, bytes, &Options::default(), &share()).ok().and_then(|value| json::stringify(&value))
        };
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
    }

    #[test]
    fn a_body_takes_its_part_of_the_memory_or_is_refused() {
        let body = format!("[{}{{}}]", "{},".repeat(10_000));
        for (content_type, least) in [("application/json", 300_000), ("text/plain", 60_000), ("", 300_000)] {
            let memory = Memory::new(16 << 20);
            let share = memory.share();
            assert!(parse(Some(content_type), body.as_bytes(), &Options::default(), &share).is_ok());
            assert!(memory.used() >= least, "{content_type}: {}", memory.used());
            let small = Memory::new(least);
            let status = |share: &Share| {
                let parsed = parse(Some(content_type), body.as_bytes(), &Options::default(), share);
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
    fn other_types_arrive_whole() {
        let types =
            ["multipart/mixed; boundary=x", "image/png", "x", "text/plain; charset=utf-7", "a/b, c/d"];
        for content_type in types {
            let expected = format!(r#"{{"contentType":"{content_type}","size":2,"base64":"/9g="}}"#);
            assert_eq!(read(content_type, b"\xff\xd8"), expected);
        }
        let untyped = parse(None, b"\xff\xd8", &Options::default(), &share()).expect("a readable body");
        assert_eq!(untyped.member("contentType").as_str(), Some("application/octet-stream"));
    }

    #[test]
    fn lines_of_json_are_an_array_within_the_same_limits() {
        let lines = "application/x-ndjson";
        assert_eq!(read(lines, b"{\"a\":1}\r\n\n [2]\n\"c\""), r#"[{"a":1},[2],"c"]"#);
        assert_eq!(read(lines, b"\n"), "[]");
        let refusal = refused(lines, b"{\"a\":1}\n{\"secret\":\n");
        assert_eq!(refusal.status, 400);
        assert!(
            refusal.message.contains("line 3") && !refusal.message.contains("secret"),
            "{}",
            refusal.message
        );
        let many = "{}\n".repeat(100_000);
        let small = Memory::new(2 << 20).share();
        let read = parse(Some(lines), many.as_bytes(), &Options::default(), &small);
        assert_eq!(read.map_err(|refusal| refusal.status).err(), Some(413));
    }

    #[test]
    fn the_raw_body_is_a_text_where_it_is_one() {
        let raw = |bytes| raw(Some("a/b"), bytes, &share()).expect("there is memory");
        assert_eq!(raw("\u{feff}é\r\n".as_bytes()).as_str(), Some("\u{feff}é\r\n"));
        assert_eq!(raw(b"\xe9").member("base64").as_str(), Some("6Q=="));
        assert!(raw(b"").is_undefined());
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
            match parse(Some(&content_type), &bytes, &Options::default(), &share()) {
                Ok(value) => prop_assert_eq!(value.is_undefined(), bytes.is_empty()),
                Err(refusal) => prop_assert!(refusal.status == 400),
            }
        }
    }
}
