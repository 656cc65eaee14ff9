//! URLs as the file manager takes them apart and puts them together: JavaScript's `encodeURIComponent`, the package
//! `url-join` 4, and `utils.ts` of `plugin-file-manager`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

/// What `encodeURIComponent` leaves as it is, besides letters and digits.
const IN_COMPONENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// The same of `encodeURI`.
const IN_URI: AsciiSet = IN_COMPONENT
    .remove(b';')
    .remove(b',')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b'#');

/// `encodeURIComponent`.
pub(super) fn encode_component(text: &str) -> String {
    utf8_percent_encode(text, &IN_COMPONENT).to_string()
}

/// `encodeURI`.
pub(super) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, &IN_URI).to_string()
}

/// `encodeURIComponent`, unless the text is encoded already.
pub(super) fn ensure_encoded(text: &str) -> String {
    let is_encoded = decode(text).is_some_and(|decoded| decoded != text);
    if is_encoded { text.to_owned() } else { encode_component(text) }
}

/// `decodeURIComponent`; `None` where it throws.
fn decode(text: &str) -> Option<String> {
    let is_whole = text.split('%').skip(1).all(|rest| {
        rest.get(..2).is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    });
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    is_whole.then(|| decoded.into_owned())
}

/// A URL with every part of its path encoded once; what is no URL stays as it is.
pub(super) fn encode_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    if url.cannot_be_a_base() {
        return url.to_string();
    }
    let path: Vec<String> = url.path().split('/').map(ensure_encoded).collect();
    url.set_path(&path.join("/"));
    url.to_string()
}

/// Whether a text is a whole HTTP address.
pub(super) fn is_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Whether a text is the application's own address of a file; `id` is the last part of it, with the extension.
pub(super) fn is_permanent(text: &str, id: &str, application: &str) -> bool {
    if id.is_empty() {
        return false;
    }
    let base = Url::parse("http://localhost").ok();
    let Ok(url) = Url::options().base_url(base.as_ref()).parse(text) else { return false };
    let parts: Vec<&str> = url.path().split('/').filter(|part| !part.is_empty()).collect();
    let Some(files) = parts.iter().position(|part| *part == "files") else { return false };
    let [_, app, _, _, file] = &parts[files..] else { return false };
    let (Some(app), Some(file)) = (decode(app), decode(file)) else { return false };
    let bare = id.rsplit_once('.').map_or(id, |(bare, _)| bare);
    app == application && (file == id || file == bare)
}

/// Joins parts with one slash between two.
pub(super) fn join(parts: &[String]) -> String {
    let mut parts = parts.to_vec();
    if parts.len() > 1 && is_scheme(&parts[0]) {
        let scheme = parts.remove(0);
        parts[0] = scheme + &parts[0];
    }
    if let Some(first) = parts.first_mut() {
        *first = with_slashes(first);
    }
    let last = parts.len().saturating_sub(1);
    let mut joined: Vec<String> = Vec::new();
    for (place, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let part = if place > 0 { part.trim_start_matches('/') } else { part };
        let trimmed = part.trim_end_matches('/');
        let ends_so = place == last && trimmed.len() < part.len();
        joined.push(if ends_so { format!("{trimmed}/") } else { trimmed.to_owned() });
    }
    let mut text = joined.join("/");
    for mark in ['?', '&'] {
        text = text.replace(&format!("/{mark}"), &mark.to_string());
    }
    let text = without_slash_before_fragment(&text);
    match text.split_once('?') {
        Some((path, query)) => format!("{path}?{}", query.replace('?', "&")),
        None => text,
    }
}

/// `https:` with any number of slashes.
fn is_scheme(text: &str) -> bool {
    text.trim_end_matches('/')
        .strip_suffix(':')
        .is_some_and(|name| !name.is_empty() && !name.contains(['/', ':']))
}

/// Two slashes after the scheme, three after that of files.
fn with_slashes(text: &str) -> String {
    let Some((scheme, rest)) =
        text.split_once(':').filter(|(scheme, _)| !scheme.is_empty() && !scheme.contains('/'))
    else {
        return text.to_owned();
    };
    let slashes = if text.starts_with("file:///") { "///" } else { "//" };
    format!("{scheme}:{slashes}{}", rest.trim_start_matches('/'))
}

fn without_slash_before_fragment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("/#") {
        let is_route = rest[at + 2..].is_empty() || rest[at + 2..].starts_with('!');
        out.push_str(&rest[..at]);
        out.push_str(if is_route { "/#" } else { "#" });
        rest = &rest[at + 2..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_by_one_slash() {
        let cases: [(&[&str], &str); 9] = [
            (&["https://a.example/", "/b/", "c.png"], "https://a.example/b/c.png"),
            (&["/", "/storage/uploads/x.png"], "/storage/uploads/x.png"),
            (&["/nocobase/", "storage"], "/nocobase/storage"),
            (&["https:", "a.example"], "https://a.example"),
            (&["https:/a.example", "b//"], "https://a.example/b/"),
            (&["file:///a", "b"], "file:///a/b"),
            (&["https://a.example", "c.png", "?x=1"], "https://a.example/c.png?x=1"),
            (&["https://a.example?x=1", "c.png?y=2"], "https://a.example?x=1/c.png&y=2"),
            (&[], ""),
        ];
        for (parts, expected) in cases {
            let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(join(&parts), expected, "{parts:?}");
        }
    }

    #[test]
    fn a_text_is_encoded_once() {
        let cases = [
            ("a b", "a%20b"),
            ("a%20b", "a%20b"),
            ("100%", "100%25"),
            ("ü'(1)", "%C3%BC'(1)"),
            ("%C3", "%25C3"),
        ];
        for (text, expected) in cases {
            assert_eq!(ensure_encoded(text), expected);
        }
        assert_eq!(
            encode_url("https://a.example/x y/ü?q=a b#c d"),
            "https://a.example/x%20y/%C3%BC?q=a%20b#c%20d"
        );
        assert_eq!(encode_url("https://a.example/a+b"), "https://a.example/a%2Bb");
        assert_eq!(encode_url("/no url"), "/no url");
    }

    #[test]
    fn the_application_knows_its_own_addresses() {
        assert!(is_permanent("/files/main/main/attachments/1.png", "1.png", "main"));
        assert!(is_permanent("https://h.example/nb/files/main/main/a/1.png?preview=1", "1.png", "main"));
        assert!(!is_permanent("/files/main/main/attachments/2.png", "1.png", "main"));
        assert!(!is_permanent("/files/other/main/attachments/1.png", "1.png", "main"));
        assert!(!is_permanent("/storage/uploads/1.png", "1.png", "main"));
    }
}
