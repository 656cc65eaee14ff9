//! The fields of HTTP messages as texts (RFC 9110, section 5): which texts are names, which bytes a value is, and what
//! of a configured list of headers can be sent.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::expr::Value;
use crate::expr::convert::{to_number, to_text};

/// What belongs to the connection, and what the server itself counts (RFC 9110, section 7.6.1).
const CONNECTION: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers whose value is a URL.
const URLS: [&str; 2] = ["location", "content-location"];
/// What a URL cannot have; escapes that it has already stay as they are.
const NOT_IN_URLS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A header that was configured and cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The header {name:?} of the response cannot be sent: {reason}.")]
pub(crate) struct Unsendable {
    pub name: String,
    pub reason: &'static str,
}

/// Whether a text is a token, as the names of fields are.
pub(crate) fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

/// Bytes as ISO 8859-1, which is what bytes beyond ASCII are in a field: the first 256 characters of Unicode.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The bytes of a text in ISO 8859-1; `None` for one with other characters.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

/// The headers of a response from their configuration, a list of `{name, value}`: valid names, and values in ISO
/// 8859-1 without control characters.
///
/// What has no name or no value, and what belongs to the connection, is left out. A value that is a URL is
/// percent-encoded where it has to be. Fails for other headers that HTTP cannot carry, and for a redirection (by
/// `status`, as configured) whose `Location` is there without a value.
pub(crate) fn configured(list: &Value, status: &Value) -> Result<Vec<(String, String)>, Unsendable> {
    let mut headers = Vec::new();
    for item in list.as_array().map(|list| list.items()).unwrap_or_default() {
        let name = item.member("name").as_str().map(str::trim).unwrap_or_default().to_owned();
        if name.is_empty() || CONNECTION.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
            continue;
        }
        match value(&name, &item.member("value")) {
            Ok(Some(value)) => headers.push((name, value)),
            Ok(None) if name.eq_ignore_ascii_case("location") && is_redirection(status) => {
                return Err(Unsendable { name, reason: "it has no value, so nobody is told where to go" });
            }
            Ok(None) => {}
            Err(reason) => return Err(Unsendable { name, reason }),
        }
    }
    Ok(headers)
}

fn is_redirection(status: &Value) -> bool {
    to_number(status).is_ok_and(|status| (300.0..400.0).contains(&status) && status != 304.0)
}

fn value(name: &str, value: &Value) -> Result<Option<String>, &'static str> {
    let text = match value {
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => to_text(value).unwrap_or_default(),
        _ => return Ok(None),
    };
    let text = text.trim();
    let is_url = URLS.iter().any(|url| url.eq_ignore_ascii_case(name));
    match text {
        _ if !is_token(name) => Err("its name has characters that names of headers cannot have"),
        "" if is_url => Ok(None),
        url if is_url => Ok(Some(utf8_percent_encode(url, NOT_IN_URLS).to_string())),
        text if text.chars().any(|c| c != '\t' && c.is_control()) => {
            Err("its value has line breaks or other control characters")
        }
        text if text.chars().any(|c| c > '\u{ff}') => Err("its value has characters beyond ISO 8859-1"),
        text => Ok(Some(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn read(list: &str, status: i32) -> Result<Vec<(String, String)>, String> {
        let list = json::parse(list.as_bytes()).expect("JSON in a test");
        configured(&list, &Value::from(status)).map_err(|unsendable| unsendable.to_string())
    }

    #[test]
    fn names_are_tokens() {
        assert!(is_token("X-Own_1.a"));
        for text in ["", "a b", "a:b", "é", "a\r", "a,b", "(a)"] {
            assert!(!is_token(text), "{text:?}");
        }
    }

    #[test]
    fn values_are_one_byte_per_character() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&latin1(&all)), Some(all));
        assert_eq!(bytes("✓"), None);
    }

    #[test]
    fn what_has_no_value_or_belongs_to_the_connection_is_left_out() {
        let headers = read(
            r#"[{"name":"X-No-Value"},{"name":"X-Null","value":null},{"name":"","value":"a"},{"value":"a"},null,1,
                {"name":"X-List","value":[1]},{"name":"Content-Length","value":"5"},
                {"name":"transfer-encoding","value":"chunked"},{"name":"Connection","value":"close"},
                {"name":" X-Number ","value":7},{"name":"X-Flag","value":false},{"name":"X-Latin","value":" é\t1 "},
                {"name":"Set-Cookie","value":"a=1"},{"name":"Set-Cookie","value":"b=2"},{"name":"X-Empty","value":""}]"#,
            200,
        );
        let expected = [
            ("X-Number", "7"),
            ("X-Flag", "false"),
            ("X-Latin", "é\t1"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("X-Empty", ""),
        ];
        assert_eq!(headers, Ok(expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()));
        assert_eq!(read(r#""x""#, 200), Ok(Vec::new()));
    }

    #[test]
    fn what_http_cannot_carry_is_named() {
        let cases = [
            ("X-Wide", "✓", "its value has characters beyond ISO 8859-1"),
            ("X-Break", "a\\r\\nb: c", "its value has line breaks or other control characters"),
            ("X Y", "a", "its name has characters that names of headers cannot have"),
            ("X-É", "a", "its name has characters that names of headers cannot have"),
        ];
        for (name, value, reason) in cases {
            let list = format!(r#"[{{"name":"{name}","value":"{value}"}}]"#);
            let expected = format!("The header {name:?} of the response cannot be sent: {reason}.");
            assert_eq!(read(&list, 200), Err(expected), "{name}");
        }
    }

    #[test]
    fn urls_are_percent_encoded() {
        let cases = [
            ("https://a.example/größe?q=✓ 1", "https://a.example/gr%C3%B6%C3%9Fe?q=%E2%9C%93%201"),
            ("/a%20b?c[]=1&d='#e", "/a%20b?c[]=1&d='#e"),
            ("/a\\r\\nSet-Cookie: b", "/a%0D%0ASet-Cookie:%20b"),
        ];
        for (url, expected) in cases {
            for name in ["location", "Content-Location"] {
                let list = format!(r#"[{{"name":"{name}","value":"{url}"}}]"#);
                assert_eq!(read(&list, 302), Ok(vec![(name.to_owned(), expected.to_owned())]), "{url}");
            }
        }
    }

    #[test]
    fn a_redirection_needs_its_location() {
        for list in [r#"[{"name":"Location"}]"#, r#"[{"name":"location","value":" "}]"#] {
            assert!(read(list, 302).is_err_and(|text| text.contains("no value")), "{list}");
            for status in [201, 304, 200] {
                assert_eq!(read(list, status), Ok(Vec::new()), "{list} {status}");
            }
        }
        assert_eq!(read("[]", 302), Ok(Vec::new()), "nothing was configured");
    }
}
