//! The head of a request as axios makes it: the URL with its parameters, and the headers.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::expr::convert::{to_text, trim};
use crate::expr::{Object, Thrown, Value};
use crate::field::is_token;
use crate::outbound::{Failure, Headers};

/// Where axios says that it is: NocoBase 2.2.15 comes with this one. Some servers look at it.
const USER_AGENT: &str = "axios/1.21.1";

/// What the configured headers become, together with axios's own. `content_type` is none for multipart
/// forms, which get theirs with the boundary.
pub(super) fn headers(configured: &Value, content_type: Option<&Value>) -> Result<Headers, Failure> {
    let mut headers = Headers::default();
    headers.set("Accept", "application/json, text/plain, */*");
    for item in reducible(configured, "config.headers")? {
        let name = trim_as_lodash(&member(item, "name")?)?;
        let value = trim_as_lodash(&member(item, "value")?)?;
        // The length and the coding of the body are the client's to say, or requests could be smuggled in.
        let is_own = ["content-type", "content-length", "transfer-encoding"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own));
        if !is_own && !name.is_empty() {
            headers.set(&name, sanitized(&value));
        }
    }
    match content_type {
        None | Some(Value::Null) => {}
        Some(content_type) => headers.set("Content-Type", sanitized(&to_text(content_type)?)),
    }
    Ok(headers)
}

/// What is added to each request: the key of the run that it belongs to, and axios's own headers.
pub(super) fn complete(headers: &mut Headers, effect_key: &str) {
    // The key of a node can be any text in a row written by SQL.
    headers.set_default("Idempotency-Key", utf8_percent_encode(effect_key, CONTROLS).to_string());
    headers.set_default("User-Agent", USER_AGENT);
    headers.set_default("Accept-Encoding", "gzip, compress, deflate, br");
    headers.set_default("Connection", "keep-alive");
}

/// Fails on names that Node.js refuses, with its error.
pub(super) fn check_names(headers: &Headers) -> Result<(), Failure> {
    match headers.iter().find(|(name, _)| !is_token(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Failure::coded(
            "ERR_INVALID_HTTP_TOKEN",
            format!("Header name must be a valid HTTP token [\"{name}\"]"),
        )),
    }
}

/// The method in upper case.
pub(super) fn method(configured: &Value) -> Result<String, Failure> {
    let method = match configured {
        Value::Undefined => "POST".to_owned(),
        Value::Null => return Err(Thrown::reading(configured, "toLowerCase").into()),
        Value::Text(text) if text.is_empty() => "GET".to_owned(),
        Value::Text(text) => text.to_uppercase(),
        _ => return Err(Failure::plain("method.toLowerCase is not a function")),
    };
    if is_token(&method) {
        return Ok(method);
    }
    let message = format!("Method must be a valid HTTP token [\"{method}\"]");
    Err(Failure::coded("ERR_INVALID_HTTP_TOKEN", message))
}

/// Without control characters, which could end the header, and without what Latin-1 does not have.
fn sanitized(value: &str) -> String {
    let is_sent = |c: &char| matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{ff}');
    let sent: String = value.chars().filter(is_sent).collect();
    sent.trim_matches([' ', '\t']).to_owned()
}

/// The configured URL; only of the web.
pub(super) fn url(configured: &Value) -> Result<Url, Failure> {
    if !configured.is_truthy() {
        return Err(Failure::invalid_url());
    }
    let text = to_text(configured)?;
    let url = Url::parse(trim(&text)).map_err(|_| Failure::invalid_url())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Failure::invalid_url());
    }
    let start: String = trim(&text).chars().filter(|c| !"\t\n\r".contains(*c)).take(8).collect();
    let start = start.to_ascii_lowercase();
    let rest = start.strip_prefix("https:").or_else(|| start.strip_prefix("http:"));
    if rest.is_some_and(|rest| !rest.starts_with("//")) {
        // axios repeats the URL here, with its secrets blackened; it is left out.
        return Err(Failure::coded("ERR_INVALID_URL", "Invalid URL: missing \"//\" after protocol"));
    }
    Ok(url)
}

/// What axios leaves as it is beside letters and digits: the unreserved characters of `encodeURIComponent`
/// and `: $ ,`. A space becomes a plus.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b':')
    .remove(b'$')
    .remove(b',');

/// Path and query of a URL with the configured parameters behind its own.
pub(super) fn target(url: &Url, params: &Value) -> Result<String, Failure> {
    let mut named = Object::new();
    for item in reducible(params, "config.params")? {
        let name = to_text(&member(item, "name")?)?;
        named.insert(name, Value::from(trim_as_lodash(&member(item, "value")?)?));
    }
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string().replace("%20", "+");
    let pairs = named
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value.as_str().unwrap_or_default())));
    let query = pairs.collect::<Vec<_>>().join("&");
    let mut target = url.path().to_owned();
    // A lone question mark is no query (`search` of the URL standard).
    if let Some(own) = url.query().filter(|own| !own.is_empty()) {
        target = format!("{target}?{own}");
    }
    if !query.is_empty() {
        let separator = if target.contains('?') { '&' } else { '?' };
        target = format!("{target}{separator}{query}");
    }
    Ok(target)
}

/// The items of `(<name> ?? []).reduce(…)`.
fn reducible<'a>(configured: &'a Value, name: &str) -> Result<&'a [Value], Failure> {
    match configured {
        Value::Undefined | Value::Null => Ok(&[]),
        Value::Array(array, _) => Ok(array.items()),
        _ => Err(Failure::plain(format!("({name} ?? []).reduce is not a function"))),
    }
}

/// A member of an item, which must not be null.
pub(super) fn member(item: &Value, name: &str) -> Result<Value, Thrown> {
    if item.is_nullish() { Err(Thrown::reading(item, name)) } else { Ok(item.member(name)) }
}

/// lodash's `trim`: nothing for null, and arrays with commas between their items, nulls included.
fn trim_as_lodash(value: &Value) -> Result<String, Thrown> {
    fn text(value: &Value) -> Result<String, Thrown> {
        match value {
            Value::Array(array, _) => {
                Ok(array.items().iter().map(text).collect::<Result<Vec<_>, _>>()?.join(","))
            }
            Value::Number(number) if *number == 0.0 && number.is_sign_negative() => Ok("-0".to_owned()),
            other => to_text(other),
        }
    }
    if value.is_nullish() { Ok(String::new()) } else { Ok(trim(&text(value)?).to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn headers_are_those_of_axios() {
        let configured = value(
            r#"[{"name":" X-One ","value":" 1 "},{"name":"x-one","value":[2,null]},{"name":"ACCEPT","value":"text/html"},
                {"name":"Content-Type","value":"no"},{"name":"content-LENGTH","value":"5"},{"value":"no name"},
                {"name":"X-Cr","value":"a\r\nb: c\u0000😀é"},{"name":"X-Null","value":null}]"#,
        );
        let mut headers = headers(&configured, Some(&Value::from("application/json"))).expect("good headers");
        complete(&mut headers, "7:nöde\n:1");
        let expected = [
            ("Accept", "text/html"),
            ("X-One", "2,null"),
            ("X-Cr", "ab: cé"),
            ("X-Null", ""),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "7:n%C3%B6de%0A:1"),
            ("User-Agent", "axios/1.21.1"),
            ("Accept-Encoding", "gzip, compress, deflate, br"),
            ("Connection", "keep-alive"),
        ];
        assert_eq!(headers.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn bad_headers_fail_as_in_nocobase() {
        let message = |text: &str| headers(&value(text), None).expect_err(text).message;
        assert_eq!(message("{}"), "(config.headers ?? []).reduce is not a function");
        assert_eq!(message("[null]"), "Cannot read properties of null (reading 'name')");
        let odd = headers(&value(r#"[{"name":"a b","value":1}]"#), None).expect("taken at first");
        let failure = check_names(&odd).expect_err("no token");
        assert_eq!(failure.message, "Header name must be a valid HTTP token [\"a b\"]");
        assert_eq!(failure.code.as_deref(), Some("ERR_INVALID_HTTP_TOKEN"));
    }

    #[test]
    fn methods_are_upper_case_and_post_by_default() {
        assert_eq!(method(&Value::Undefined).expect("a default"), "POST");
        assert_eq!(method(&Value::from("patch")).expect("a method"), "PATCH");
        assert_eq!(method(&Value::from("")).expect("axios's default"), "GET");
        for odd in [Value::Null, Value::from(5), Value::from("A B")] {
            assert!(method(&odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn only_web_urls_are_good() {
        for good in ["http://a", " https://a.b/c ", "http:///a", "HTTP://a/", "http://a b@c/"] {
            assert!(url(&Value::from(good)).is_ok(), "{good}");
        }
        let bad = [
            "",
            "not a url",
            "/x",
            "ftp://a/",
            "file:///etc/passwd",
            "http://",
            "http://a:99999/",
            "javascript:1",
        ];
        for bad in bad {
            let failure = url(&Value::from(bad)).expect_err(bad);
            assert_eq!(
                (failure.message.as_str(), failure.code.as_deref()),
                ("Invalid URL", Some("ERR_INVALID_URL"))
            );
        }
        let failure = url(&Value::from("http:a/secret")).expect_err("no slashes");
        assert!(!failure.message.contains("secret"), "{}", failure.message);
        assert!(url(&Value::Undefined).is_err());
    }

    #[test]
    fn parameters_follow_the_urls_own() {
        let cases = [
            ("http://a/p?x=1#f", r#"[{"name":"b","value":" é &=:$, "}]"#, "/p?x=1&b=%C3%A9+%26%3D:$,"),
            (
                "http://a",
                r#"[{"name":"b","value":1},{"name":"2","value":null},{"name":"b","value":[1,"z"]}]"#,
                "/?2=&b=1,z",
            ),
            ("http://a/?", "[]", "/"),
            ("http://a/?", r#"[{"value":"x"}]"#, "/?undefined=x"),
            ("http://a/b c?d e", "null", "/b%20c?d%20e"),
        ];
        for (url, params, expected) in cases {
            let url = Url::parse(url).expect(url);
            assert_eq!(target(&url, &value(params)).expect(params), expected);
        }
    }
}
