//! Bodies of the type `multipart/form-data` (RFC 7578).

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;

use futures_util::{FutureExt, stream};
use indexmap::IndexMap;
use multer::bytes::Bytes;
use multer::{Error, Field, Multipart};
use percent_encoding::percent_decode_str;

use super::file::file;
use super::media_type::{Charset, Kind, MediaType};
use crate::expr::{Object, Value, json};
use crate::field;
use crate::webhook::refusal::Refusal;

/// At most so many header lines of a part are kept where some of them cannot be read; multer takes 32.
const MAX_HEADERS: usize = 30;

/// In place of no headers at all: the content would be taken for them.
const NO_HEADERS: &str = "Content-Disposition: form-data\r\n";

/// A part as it was sent.
struct Part {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    bytes: Bytes,
}

/// What the form says of the charsets of its parts.
#[derive(Default)]
struct Charsets {
    /// The field `charsets` of SendGrid's inbound mails, a JSON object of labels by name.
    by_name: HashMap<String, String>,
    /// The field `_charset_` (RFC 7578, section 4.6).
    default: Option<String>,
}

/// Reads a form as an object:
///
/// - a field as text: in the charset of its own content type, else in that which the form names for it, else in
///   UTF-8;
/// - a file, which is what comes with a file name, as `{filename, contentType, size, base64}`;
/// - what is no text, by its content type or its bytes, or in a charset that is not known, as a file without
///   `filename`: whatever comes arrives whole;
/// - several parts of one name as an array of these; parts without a name under an empty one.
///
/// A name is taken as it is: brackets and dots in it do not nest, unlike in other forms. Header lines of a part that
/// cannot be read are left out; NocoBase's own parser (busboy) refuses the whole form for one.
pub(super) fn parse(boundary: Option<&str>, bytes: &[u8]) -> Result<Value, Refusal> {
    let boundary = boundary.ok_or_else(|| broken("its content type names no boundary"))?;
    // All of the body is there, so reading it has nothing to wait for.
    let read = |bytes| read(boundary, bytes).now_or_never().unwrap_or(Err((1, Error::IncompleteStream)));
    let parts = match read(Bytes::copy_from_slice(bytes)) {
        Err((_, err)) if is_about_headers(&err) => read(mended(boundary, bytes).into()),
        parts => parts,
    };
    let parts = parts.map_err(|(number, err)| broken_part(number, &err))?;
    let charsets = Charsets::of(&parts);
    let mut members: IndexMap<String, Vec<Value>> = IndexMap::new();
    for part in parts {
        let value = part.to_value(&charsets);
        members.entry(part.name).or_default().push(value);
    }
    let members: Object = members.into_iter().map(|(name, values)| (name, one_or_all(values))).collect();
    Ok(Value::from(members))
}

/// The parts, or the number of the one that is broken.
async fn read(boundary: &str, bytes: Bytes) -> Result<Vec<Part>, (usize, Error)> {
    let body = stream::iter([Ok::<_, Infallible>(bytes)]);
    let mut fields = Multipart::new(body, boundary);
    let mut parts = Vec::new();
    for number in 1.. {
        let Some(field) = fields.next_field().await.map_err(|err| (number, err))? else { break };
        let name = field.name().unwrap_or_default().to_owned();
        let (file_name, content_type) = (file_name(&field), content_type(&field));
        let bytes = field.bytes().await.map_err(|err| (number, err))?;
        parts.push(Part { name, file_name, content_type, bytes });
    }
    Ok(parts)
}

fn is_about_headers(err: &Error) -> bool {
    matches!(
        err,
        Error::ReadHeaderFailed(_) | Error::DecodeHeaderName { .. } | Error::DecodeHeaderValue { .. }
    )
}

/// The body with those header lines of its parts alone that can be read, and folded ones in one line.
fn mended(boundary: &str, bytes: &[u8]) -> Vec<u8> {
    let delimiter = format!("--{boundary}\r\n").into_bytes();
    let (mut mended, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(at) = find(rest, &delimiter) {
        let (before, part) = rest.split_at(at + delimiter.len());
        let is_first_in_line = at == 0 && mended.is_empty() || before[..at].ends_with(b"\r\n");
        mended.extend_from_slice(before);
        rest = part;
        if is_first_in_line && part.starts_with(b"\r\n") {
            mended.extend_from_slice(NO_HEADERS.as_bytes());
        } else if let (true, Some(end)) = (is_first_in_line, find(part, b"\r\n\r\n")) {
            mended.extend(readable_headers(&part[..end]));
            rest = &part[end + 2..];
        }
    }
    mended.extend_from_slice(rest);
    mended
}

fn readable_headers(head: &[u8]) -> Vec<u8> {
    let head = field::latin1(head).replace("\r\n ", " ").replace("\r\n\t", " ");
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let readable = head.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(':').map(|(name, value)| (name.trim(), value.trim()))?;
        let is_readable = !name.is_empty() && name.chars().all(is_sign) && !value.contains(char::is_control);
        is_readable.then(|| format!("{name}: {value}\r\n"))
    });
    let headers: String = readable.take(MAX_HEADERS).collect();
    let headers = if headers.is_empty() { NO_HEADERS } else { &headers };
    field::bytes(headers).unwrap_or_default()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

impl Charsets {
    fn of(parts: &[Part]) -> Self {
        let field = |name: &str| {
            let part = parts.iter().find(|part| part.name == name && part.file_name.is_none())?;
            String::from_utf8(part.bytes.to_vec()).ok()
        };
        let labels = field("charsets").and_then(|text| json::parse(text.as_bytes()).ok()).unwrap_or_default();
        let labels = labels.as_object().into_iter().flat_map(Object::iter);
        let by_name = labels.filter_map(|(name, label)| Some((name.to_string(), label.as_str()?.to_owned())));
        Self { by_name: by_name.collect(), default: field("_charset_") }
    }
}

impl Part {
    fn to_value(&self, charsets: &Charsets) -> Value {
        match self.file_name.is_none().then(|| self.text(charsets)).flatten() {
            Some(text) => Value::from(text),
            None => self.to_file(),
        }
    }

    /// The part as text, if all of it is one.
    fn text(&self, charsets: &Charsets) -> Option<String> {
        let media_type = MediaType::parse(self.content_type.as_deref().unwrap_or_default());
        if matches!(media_type.kind(), Kind::Multipart | Kind::Other) {
            return None;
        }
        let label = media_type.charset.as_ref().or_else(|| charsets.by_name.get(&self.name));
        let label = label.or(charsets.default.as_ref());
        let charset = label.map_or(Some(Charset::UTF_8), |label| Charset::of_label(label))?;
        charset.decode_all(&self.bytes).map(Cow::into_owned)
    }

    fn to_file(&self) -> Value {
        file(self.file_name.as_deref(), self.content_type.as_deref(), &self.bytes)
    }
}

/// As Latin-1, like all header values.
fn content_type(field: &Field<'_>) -> Option<String> {
    let value = field::latin1(field.headers().get("content-type")?.as_bytes());
    (!value.trim().is_empty()).then_some(value)
}

/// The name of a file, which may be empty. RFC 7578 has no `filename*`, but some clients send nothing else.
fn file_name(field: &Field<'_>) -> Option<String> {
    if let Some(name) = field.file_name() {
        return Some(name.to_owned());
    }
    let disposition = field.headers().get("content-disposition")?.to_str().ok()?;
    let (_, extended) = disposition.split_once("filename*=")?;
    let encoded = extended.split(';').next().unwrap_or_default().rsplit('\'').next().unwrap_or_default();
    Some(percent_decode_str(encoded.trim()).decode_utf8_lossy().into_owned())
}

fn one_or_all(mut values: Vec<Value>) -> Value {
    match values.len() {
        1 => values.swap_remove(0),
        _ => Value::array(values),
    }
}

/// Says which part it is without repeating what was sent.
fn broken_part(number: usize, err: &Error) -> Refusal {
    match err {
        Error::IncompleteStream | Error::IncompleteFieldData { .. } => {
            broken("a boundary is missing or it breaks off before the last one")
        }
        _ => broken(format!("the headers of part {number} cannot be read")),
    }
}

fn broken(fault: impl std::fmt::Display) -> Refusal {
    Refusal::bad_request(format!("The body is not valid multipart/form-data: {fault}."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    fn read(body: &str) -> String {
        let body = body.replace('\n', "\r\n");
        json::stringify_or_null(&parse(Some("x"), body.as_bytes()).expect("a readable form"))
    }

    fn fault(boundary: Option<&str>, body: &str) -> String {
        let refusal = parse(boundary, body.replace('\n', "\r\n").as_bytes()).expect_err("an unreadable form");
        assert_eq!(refusal.status, 400);
        refusal.message
    }

    fn part(disposition: &str, content: &str) -> String {
        format!("--x\nContent-Disposition: form-data; {disposition}\n\n{content}\n")
    }

    #[test]
    fn fields_are_texts_by_name_and_repeated_ones_lists() {
        let body = [
            part("name=\"a\"", "1 ✓"),
            part("name=b[c]", "two\nlines"),
            part("name=\"a\"", ""),
            part("name=\"__proto__\"", "p"),
        ];
        assert_eq!(
            read(&format!("preamble\n{}--x--\nepilogue", body.concat())),
            r#"{"a":["1 ✓",""],"b[c]":"two\r\nlines","__proto__":"p"}"#
        );
        assert_eq!(read("--x--\n"), "{}");
    }

    /// A form of parts with these headers and bytes, as JSON.
    fn form(parts: &[(&str, &[u8])]) -> String {
        let mut body = Vec::new();
        for (headers, bytes) in parts {
            body.extend(b"--x\r\nContent-Disposition: form-data; ");
            body.extend(headers.replace('\n', "\r\n").as_bytes());
            body.extend([b"\r\n\r\n", *bytes, b"\r\n"].concat());
        }
        body.extend(b"--x--");
        json::stringify_or_null(&parse(Some("x"), &body).expect("a readable form"))
    }

    #[test]
    fn a_field_is_read_in_its_charset() {
        assert_eq!(
            form(&[
                ("name=a\nContent-Type: text/plain; charset=ISO-8859-1", b"\xe9"),
                ("name=b\nContent-Type: text/html; charset=\"gb2312\"", b"\xc4\xe3"),
                ("name=c", b"\xc3\xa9"),
            ]),
            r#"{"a":"é","b":"你","c":"é"}"#
        );
        // As SendGrid sends mails; the part's own charset counts more.
        assert_eq!(
            form(&[
                ("name=text", b"Gr\xf6\xdfe"),
                ("name=html\nContent-Type: text/html; charset=utf-8", b"\xc3\xb6"),
                ("name=charsets", br#"{"text":"iso-8859-1","html":"gbk","to":5}"#),
            ]),
            r#"{"text":"Größe","html":"ö","charsets":"{\"text\":\"iso-8859-1\",\"html\":\"gbk\",\"to\":5}"}"#
        );
        let by_default: [(&str, &[u8]); 2] = [("name=_charset_", b"gbk"), ("name=a", b"\xc4\xe3")];
        assert_eq!(form(&by_default), r#"{"_charset_":"gbk","a":"你"}"#);
        assert_eq!(form(&[("name=charsets", b"{"), ("name=a", b"b")]), r#"{"charsets":"{","a":"b"}"#);
    }

    #[test]
    fn what_is_no_text_is_a_file_without_a_name() {
        let cases: [(&str, &[u8], &str); 5] = [
            ("image/jpeg", b"\xff\xd8", r#"{"contentType":"image/jpeg","size":2,"base64":"/9g="}"#),
            ("application/pdf", b"a", r#"{"contentType":"application/pdf","size":1,"base64":"YQ=="}"#),
            ("text/plain", b"Gr\xf6", r#"{"contentType":"text/plain","size":3,"base64":"R3L2"}"#),
            (
                "text/plain; charset=utf-7",
                b"a",
                r#"{"contentType":"text/plain; charset=utf-7","size":1,"base64":"YQ=="}"#,
            ),
            ("application/vnd.api+json", b"{}", r#""{}""#),
        ];
        for (content_type, bytes, expected) in cases {
            let headers = format!("name=a\nContent-Type: {content_type}");
            assert_eq!(form(&[(&headers, bytes)]), format!("{{\"a\":{expected}}}"), "{content_type}");
        }
        let untyped = r#"{"a":{"contentType":"application/octet-stream","size":1,"base64":"9g=="}}"#;
        assert_eq!(form(&[("name=a", b"\xf6")]), untyped);
    }

    #[test]
    fn parts_without_a_name_have_an_empty_one() {
        assert_eq!(form(&[("name=a", b"1"), ("x=y", b"2"), ("", b"3")]), r#"{"a":"1","":["2","3"]}"#);
    }

    #[test]
    fn files_are_base64_with_name_type_and_size() {
        let body = [
            "--x\nContent-Disposition: form-data; name=\"f\"; filename=\"ü \\\"1\\\".bin\"\n",
            "Content-Type: image/png\n\n\0é\n",
            "--x\ncontent-disposition: form-data; name=f; filename=b; filename*=utf-8''c\n\n\n",
            "--x\ncontent-disposition: form-data; name=g; filename*=utf-8''%C3%BC%20x; a=b\n\nz\n",
            "--x\ncontent-disposition: form-data; name=none; filename=\"\"\n\n\n--x--\n",
        ];
        let expected = concat!(
            r#"{"f":[{"filename":"ü \"1\".bin","contentType":"image/png","size":3,"base64":"AMOp"},"#,
            r#"{"filename":"b","contentType":"application/octet-stream","size":0,"base64":""}],"#,
            r#""g":{"filename":"ü x","contentType":"application/octet-stream","size":1,"base64":"eg=="},"#,
            r#""none":{"filename":"","contentType":"application/octet-stream","size":0,"base64":""}}"#
        );
        assert_eq!(read(&body.concat()), expected);
    }

    #[test]
    fn a_broken_form_is_refused_without_repeating_it() {
        let whole = part("name=secret", "secret");
        let cases = [
            (None, whole.clone(), "its content type names no boundary"),
            (Some("y"), whole.clone() + "--x--\n", "a boundary is missing"),
            (Some("x"), whole.clone(), "it breaks off"),
            (Some("x"), whole.clone() + "--x", "it breaks off"),
            (Some("x"), "secret".to_owned(), "a boundary is missing"),
            (Some("x"), whole + "--x\nse cret: 1\n--x--\n", "a boundary is missing"),
        ];
        for (boundary, body, expected) in cases {
            let text = fault(boundary, &body);
            assert!(text.contains(expected) && !text.contains("secret"), "{body:?}: {text}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_read_costs_nothing_but_itself() {
        let broken = [
            "--x\nContent Disposition: form-data; name=\"lost\"\n\n1\n",
            "--x\nno colon\nContent-Disposition : form-data; name=\"a\"\n\n2\n\n3\n",
            "--x\nContent-Disposition: form-data;\n name=\"b\";\n\tfilename=\"c\"\nX: \u{1}\n\n\n4\n",
            "--x\nContent-Disposition: form-data; name=\"d\"\n\ne --x\n--x--\n",
        ];
        let expected = concat!(
            r#"{"":"1","a":"2\r\n\r\n3","#,
            r#""b":{"filename":"c","contentType":"application/octet-stream","size":3,"base64":"DQo0"},"d":"e --x"}"#
        );
        assert_eq!(read(&broken.concat()), expected);
        let many = "X-A: b\n".repeat(40);
        let many = format!("--x\nContent-Disposition: form-data; name=n\n{many}\n1\n--x--\n");
        assert_eq!(read(&many), r#"{"n":"1"}"#);
    }

    /// Pieces of forms, put together at random.
    const PIECES: &str = concat!(
        "(--x|--|\r\n|\r\n\r\n|Content-Disposition: form-data; |name=\"?a\"?|; |",
        "filename\\*?=(\"b|''|b)|Content-Type: |text/plain; charset=(utf-8|x)|\\PC){0,40}",
    );

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            boundary in "[a-z-]{0,3}", bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert!(parse(Some(&boundary), &bytes).map_or_else(|err| err.status == 400, |_| true));
        }

        #[test]
        fn any_mixture_of_parts_is_read_or_refused(text in PIECES) {
            let outcome = parse(Some("x"), text.as_bytes());
            prop_assert!(outcome.map_or_else(|err| err.status == 400, |_| true));
        }

        #[test]
        fn what_is_sent_arrives(contents in proptest::collection::vec("[a-z\\r\\n-]{0,20}", 0..5)) {
            let head = "--b0undary\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n";
            let parts: String = contents.iter().map(|text| format!("{head}{text}\r\n")).collect();
            let form = parse(Some("b0undary"), format!("{parts}--b0undary--").as_bytes());
            let expected = match contents.as_slice() {
                [] => "{}".to_owned(),
                [one] => serde_json::json!({"n": one}).to_string(),
                all => serde_json::json!({"n": all}).to_string(),
            };
            prop_assert_eq!(form.map(|form| json::stringify_or_null(&form)), Ok(expected));
        }
    }
}
