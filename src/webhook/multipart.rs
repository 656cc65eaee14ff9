//! Bodies of the type `multipart/form-data` (RFC 7578).

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{FutureExt, stream};
use indexmap::IndexMap;
use multer::bytes::Bytes;
use multer::{Error, Field, Multipart};
use percent_encoding::percent_decode_str;

use super::media_type::MediaType;
use super::refusal::Refusal;
use crate::expr::{Object, Value};

/// Reads a form as an object:
///
/// - a field as text, in UTF-8 or the charset of its own content type;
/// - a file, which is what comes with a file name, as `{filename, contentType, size, base64}`;
/// - several parts of one name as an array of these.
///
/// A name is taken as it is: brackets and dots in it do not nest, unlike in other forms.
pub(super) fn parse(boundary: Option<&str>, bytes: &[u8]) -> Result<Value, Refusal> {
    let boundary = boundary.ok_or_else(|| broken("its content type names no boundary"))?;
    // All of the body is there, so reading it has nothing to wait for.
    let members = read(boundary, bytes).now_or_never().unwrap_or_else(|| Err(broken("it breaks off")))?;
    let members: Object = members.into_iter().map(|(name, values)| (name, one_or_all(values))).collect();
    Ok(Value::Object(members.into()))
}

/// All values by their names, in the order of the names' first parts.
async fn read(boundary: &str, bytes: &[u8]) -> Result<IndexMap<String, Vec<Value>>, Refusal> {
    let body = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(bytes))]);
    let mut parts = Multipart::new(body, boundary);
    let mut members: IndexMap<String, Vec<Value>> = IndexMap::new();
    for number in 1.. {
        let Some(part) = parts.next_field().await.map_err(|err| broken_part(number, &err))? else { break };
        let name = part.name().map(str::to_owned);
        let name = name.ok_or_else(|| broken(format!("part {number} has no name")))?;
        let (file_name, content_type) = (file_name(&part), content_type(&part));
        let bytes = part.bytes().await.map_err(|err| broken_part(number, &err))?;
        let value = match file_name {
            Some(file_name) => file(file_name, content_type, &bytes),
            None => MediaType::parse(&content_type.unwrap_or_default()).decode(&bytes)?.into(),
        };
        members.entry(name).or_default().push(value);
    }
    Ok(members)
}

fn file(name: String, content_type: Option<String>, bytes: &[u8]) -> Value {
    Value::object([
        ("filename", Value::from(name)),
        ("contentType", content_type.map_or_else(|| Value::from("application/octet-stream"), Value::from)),
        ("size", Value::Number(bytes.len() as f64)),
        ("base64", Value::from(STANDARD.encode(bytes))),
    ])
}

/// As Latin-1, like all header values.
fn content_type(part: &Field<'_>) -> Option<String> {
    let header = part.headers().get("content-type")?;
    Some(header.as_bytes().iter().copied().map(char::from).collect())
}

/// The name of a file, which may be empty. RFC 7578 has no `filename*`, but some clients send nothing else.
fn file_name(part: &Field<'_>) -> Option<String> {
    if let Some(name) = part.file_name() {
        return Some(name.to_owned());
    }
    let disposition = part.headers().get("content-disposition")?.to_str().ok()?;
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

    #[test]
    fn a_field_is_read_in_its_charset() {
        let mut body = b"--x\r\nContent-Disposition: form-data; name=a\r\n".to_vec();
        body.extend(b"Content-Type: text/plain; charset=ISO-8859-1\r\n\r\n\xe9\r\n--x--\r\n");
        let form = parse(Some("x"), &body).expect("a readable form");
        assert_eq!(form.member("a").as_str(), Some("é"));
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
            (
                Some("x"),
                whole.clone() + "--x\nse cret: 1\n\n\n--x--\n",
                "the headers of part 2 cannot be read",
            ),
            (Some("x"), whole + "--x\nX-A: secret\n\n\n--x--\n", "part 2 has no name"),
        ];
        for (boundary, body, expected) in cases {
            let text = fault(boundary, &body);
            assert!(text.contains(expected) && !text.contains("secret"), "{body:?}: {text}");
        }
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
            prop_assert!(outcome.map_or_else(|err| matches!(err.status, 400 | 415), |_| true));
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
