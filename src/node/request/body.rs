//! The body of a request: JSON, form, text, XML or multipart, made of the configured data as NocoBase's
//! transformers and axios make it.

use bytes::Bytes;

use super::head::member;
use crate::expr::convert::{to_text, trim};
use crate::expr::{Value, json};
use crate::node::files::{Files, SentFile};
use crate::outbound::Failure;

pub(super) const MULTIPART: &str = "multipart/form-data";
const FORM: &str = "application/x-www-form-urlencoded";

/// The bytes of a body and, for a multipart form, its type with the boundary.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// None: nothing is sent.
    pub bytes: Option<Bytes>,
    pub content_type: Option<String>,
}

impl Body {
    fn of(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty()), content_type: None }
    }
}

/// The body of a method other than GET. `content_type` is the configured one, with its default.
pub(super) async fn build(content_type: &Value, data: &Value, files: &Files) -> Result<Body, Failure> {
    match content_type.as_str() {
        _ if data.is_nullish() => Ok(Body::default()),
        Some("text/plain") => Ok(Body::of(text(data)?)),
        Some(FORM) => Ok(Body::of(form(data)?)),
        Some(MULTIPART) => multipart(data, files).await,
        content_type => transformed(content_type.unwrap_or_default(), data),
    }
}

/// `data.toString()`.
fn text(data: &Value) -> Result<String, Failure> {
    if !data.member("toString").is_undefined() {
        return Err(Failure::plain("data.toString is not a function"));
    }
    Ok(to_text(data)?)
}

/// Pairs of `{name, value}`; those without a name or a value are left out.
fn form(data: &Value) -> Result<String, Failure> {
    let Value::Array(items, _) = data else { return Err(Failure::plain("data.filter is not a function")) };
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for item in items.items() {
        if item.is_nullish() {
            let item = if item.is_undefined() { "undefined" } else { "object null" };
            let reason = item.strip_prefix("object ").unwrap_or(item);
            let message = format!("Cannot destructure property 'name' of '{item}' as it is {reason}.");
            return Err(Failure::plain(message));
        }
        let (name, value) = (item.member("name"), item.member("value"));
        if name.is_truthy() && !value.is_undefined() {
            pairs.append_pair(&to_text(&name)?, &to_text(&value)?);
        }
    }
    Ok(pairs.finish())
}

/// What axios makes of data that NocoBase passes on: objects become JSON whatever their type, a text only
/// when the type is JSON and it isn't JSON already.
fn transformed(content_type: &str, data: &Value) -> Result<Body, Failure> {
    let is_json = content_type.contains("application/json");
    match data {
        Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) | Value::Date(_) => {
            Ok(Body::of(json::stringify_or_null(data)))
        }
        Value::Text(text) if is_json && json::parse(text.as_bytes()).is_ok() => {
            Ok(Body::of(trim(text).to_owned()))
        }
        data if is_json => Ok(Body::of(json::stringify_or_null(data))),
        Value::Text(text) => Ok(Body::of(text.to_string())),
        data if !data.is_truthy() => Ok(Body::default()),
        _ => Err(Failure::coded(
            "ERR_BAD_REQUEST",
            "Data after transformation must be a string, an ArrayBuffer, a Buffer, or a Stream",
        )),
    }
}

/// A multipart form of records `{name, valueType: "text", text}` and `{name, valueType: "file", file}`.
async fn multipart(data: &Value, files: &Files) -> Result<Body, Failure> {
    let characters: Vec<Value>;
    let records = match data {
        Value::Array(records, _) => records.items(),
        // JavaScript goes through a text by its characters.
        Value::Text(text) => {
            characters = text.chars().map(|c| Value::from(c.to_string())).collect();
            &characters
        }
        _ => return Err(Failure::plain("data is not iterable")),
    };
    let mut form = Form::new();
    for record in records {
        let name = member(record, "valueType").map(|_| record.member("name"))?;
        match record.member("valueType").as_str() {
            Some("text") => form.text(&to_text(&name)?, &to_text(&record.member("text"))?),
            Some("file") => {
                for file in files.read_all(&record.member("file")).await? {
                    form.file(&to_text(&name)?, &file);
                }
            }
            _ => {
                let record = json::stringify_or_null(record);
                return Err(Failure::plain(format!("Invalid value type: {record}")));
            }
        }
    }
    Ok(form.finish())
}

/// A multipart form as axios writes it.
struct Form {
    boundary: String,
    bytes: Vec<u8>,
}

impl Form {
    fn new() -> Self {
        let random = uuid::Uuid::new_v4().simple();
        Self { boundary: format!("axios-1.21.1-boundary-{random}"), bytes: Vec::new() }
    }

    fn part(&mut self, name: &str, more: &str, content: &[u8]) {
        let name = escaped(name);
        let head =
            format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n", self.boundary);
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Ends of lines become CR LF.
    fn text(&mut self, name: &str, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        self.part(name, "", text.as_bytes());
    }

    fn file(&mut self, name: &str, file: &SentFile) {
        let filename = match file.filename.as_str() {
            "" => String::new(),
            filename => format!("; filename=\"{}\"", escaped(filename)),
        };
        // The type of a Blob: lower case, and none when it holds anything but printable ASCII.
        let is_type = file.content_type.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        let content_type = match file.content_type.to_ascii_lowercase() {
            content_type if is_type && !content_type.is_empty() => content_type,
            _ => "application/octet-stream".to_owned(),
        };
        self.part(name, &format!("{filename}\r\nContent-Type: {content_type}"), &file.bytes);
    }

    fn finish(mut self) -> Body {
        self.bytes.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        let content_type = format!("{MULTIPART}; boundary={}", self.boundary);
        Body { bytes: Some(self.bytes.into()), content_type: Some(content_type) }
    }
}

fn escaped(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect(text)
    }

    async fn built(content_type: &str, data: &str) -> Result<String, String> {
        let body = build(&Value::from(content_type), &value(data), &Files::none()).await;
        let bytes = body.map_err(|failure| failure.message)?.bytes.unwrap_or_default();
        Ok(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    #[tokio::test]
    async fn bodies_are_those_of_axios() {
        let cases = [
            ("application/json", r#"{"b":1,"a":null}"#, r#"{"b":1,"a":null}"#),
            ("application/json", r#"" {\"a\":1} ""#, r#"{"a":1}"#),
            ("application/json", r#""text""#, r#""text""#),
            ("application/json", r#""""#, r#""""#),
            ("application/json", "5", "5"),
            ("application/json", "false", "false"),
            ("application/json", "null", ""),
            ("application/xml", r#""<a>1</a>""#, "<a>1</a>"),
            ("application/xml", r#"{"a":1}"#, r#"{"a":1}"#),
            ("application/xml", "0", ""),
            ("text/plain", "[1,[2,null]]", "1,2,"),
            ("text/plain", r#"{"a":1}"#, "[object Object]"),
            ("text/plain", r#""""#, ""),
            (
                "application/x-www-form-urlencoded",
                r#"[{"name":"a","value":"1 2"},{"name":"","value":1},{"name":"c"},{"name":"d","value":null},
                    {"name":1,"value":[1,2]}]"#,
                "a=1+2&d=null&1=1%2C2",
            ),
        ];
        for (content_type, data, expected) in cases {
            assert_eq!(built(content_type, data).await.as_deref(), Ok(expected), "{content_type} {data}");
        }
    }

    #[tokio::test]
    async fn bad_data_fails_as_in_nocobase() {
        let cases = [
            ("application/x-www-form-urlencoded", r#"{"a":1}"#, "data.filter is not a function"),
            (
                "application/x-www-form-urlencoded",
                "[null]",
                "Cannot destructure property 'name' of 'object null' as it is null.",
            ),
            ("text/plain", r#"{"toString":1}"#, "data.toString is not a function"),
            (
                "application/xml",
                "5",
                "Data after transformation must be a string, an ArrayBuffer, a Buffer, or a Stream",
            ),
            ("multipart/form-data", r#"{"a":1}"#, "data is not iterable"),
            ("multipart/form-data", "[null]", "Cannot read properties of null (reading 'valueType')"),
            ("multipart/form-data", r#"[{"valueType":"x"}]"#, r#"Invalid value type: {"valueType":"x"}"#),
            ("multipart/form-data", r#""ab""#, r#"Invalid value type: "a""#),
        ];
        for (content_type, data, expected) in cases {
            assert_eq!(built(content_type, data).await, Err(expected.to_owned()), "{content_type} {data}");
        }
    }

    #[tokio::test]
    async fn multipart_forms_are_written_as_by_axios() {
        let data =
            value(r#"[{"name":"a\"\r\n","valueType":"text","text":"1\n2\r\n3\r4"},{"valueType":"text"}]"#);
        let body = build(&Value::from(MULTIPART), &data, &Files::none()).await.expect("a form");
        let content_type = body.content_type.expect("a type");
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"a%22%0D%0A\"\r\n\r\n1\r\n2\r\n3\r\n4\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"undefined\"\r\n\r\nundefined\r\n--{boundary}--\r\n"
        );
        assert_eq!(body.bytes.expect("bytes"), expected);
    }

    #[test]
    fn files_have_a_type_and_a_name() {
        let mut form = Form::new();
        let file = |filename: &str, content_type: &str| SentFile {
            filename: filename.to_owned(),
            content_type: content_type.to_owned(),
            bytes: vec![0, 255],
        };
        form.file("f", &file("a\"b.png", "Image/PNG"));
        form.file("f", &file("", "a\r\nb: c"));
        let body = form.finish().bytes.expect("bytes");
        let text = String::from_utf8_lossy(&body);
        assert!(
            text.contains(
                "name=\"f\"; filename=\"a%22b.png\"\r\nContent-Type: image/png\r\n\r\n\0\u{fffd}\r\n"
            )
        );
        assert!(text.contains("name=\"f\"\r\nContent-Type: application/octet-stream\r\n\r\n"));
    }
}
