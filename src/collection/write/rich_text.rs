//! Rich text as NocoBase would keep it. NocoBase takes dangerous HTML out (`sanitize-rich-text-html.ts`); here a text
//! has to do without it from the start, because nothing but a whole HTML parser could take it out safely.

use std::iter::Peekable;
use std::str::CharIndices;

/// Elements without attributes of their own; some may be indented.
const PLAIN: [&str; 21] = [
    "a",
    "b",
    "blockquote",
    "br",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "s",
    "strike",
    "strong",
    "u",
    "ul",
];

/// Whether the text holds nothing but elements, attributes and addresses that NocoBase leaves alone.
pub(super) fn is_safe(text: &str) -> bool {
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        // Before anything else it is text.
        if rest.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
            let Some(after) = tag(rest) else { return false };
            rest = after;
        }
    }
    true
}

/// What follows a tag that may be there; the `<` has been read.
fn tag(text: &str) -> Option<&str> {
    let (inner, after) = text.split_once('>')?;
    if let Some(name) = inner.strip_prefix('/') {
        return is_element(name).then_some(after);
    }
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let name_end = inner.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
    let (name, attributes) = inner.split_at(name_end);
    let mut chars = attributes.char_indices().peekable();
    while let Some((key, value)) = attribute(attributes, &mut chars)? {
        if !is_allowed(name, key, value, attributes) {
            return None;
        }
    }
    is_element(name).then_some(after)
}

/// The next attribute with its value in double quotes; an outer `None` for anything else.
#[expect(clippy::option_option, reason = "none is left, and none can be read, are different things")]
fn attribute<'a>(text: &'a str, chars: &mut Peekable<CharIndices<'_>>) -> Option<Option<(&'a str, &'a str)>> {
    let mut has_space = false;
    while chars.next_if(|(_, c)| c.is_ascii_whitespace()).is_some() {
        has_space = true;
    }
    let Some((start, _)) = chars.peek().copied() else { return Some(None) };
    while chars.next_if(|(_, c)| c.is_ascii_lowercase()).is_some() {}
    let (end, equals) = chars.next()?;
    let (_, quote) = chars.next()?;
    if !has_space || equals != '=' || quote != '"' || end == start {
        return None;
    }
    let value = text.get(end + 2..)?;
    let length = value.find('"')?;
    while chars.next_if(|(place, _)| *place <= end + 2 + length).is_some() {}
    Some(Some((text.get(start..end)?, value.get(..length)?)))
}

fn is_element(name: &str) -> bool {
    PLAIN.contains(&name) || name == "span"
}

fn is_allowed(element: &str, key: &str, value: &str, attributes: &str) -> bool {
    let is_image = value.strip_prefix("data:image/").and_then(|rest| rest.split_once(";base64,"));
    match (element, key) {
        ("a", "href") => has_scheme(value, &["http://", "https://", "mailto:", "tel:"]) || is_local(value),
        ("a", "target") => {
            value == "_self" || (value == "_blank" && attributes.contains(r#"rel="noopener noreferrer""#))
        }
        ("a", "rel") => value == "noopener noreferrer",
        ("img", "src") => {
            has_scheme(value, &["http://", "https://"])
                || is_local(value)
                || is_image.is_some_and(|(kind, _)| ["gif", "jpg", "jpeg", "png", "webp"].contains(&kind))
        }
        ("img", "alt" | "title") => true,
        ("img", "width" | "height") => {
            let number = value.strip_suffix("px").or_else(|| value.strip_suffix('%')).unwrap_or(value);
            !number.is_empty() && number.len() <= 4 && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        ("span", "style") => value
            .trim_end_matches(';')
            .strip_prefix("font-size:")
            .and_then(|size| size.trim().strip_suffix("px"))
            .is_some_and(|size| ["12", "14", "16", "18", "20", "24", "32", "48"].contains(&size)),
        ("blockquote" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "li" | "p", "class") => value
            .strip_prefix("ql-indent-")
            .is_some_and(|level| level.len() == 1 && ("1"..="9").contains(&level)),
        _ => false,
    }
}

fn has_scheme(value: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| value.starts_with(scheme))
}

/// A path on the same server.
fn is_local(value: &str) -> bool {
    value.starts_with('#')
        || (value.starts_with('/') && !value.starts_with("//") && !value.starts_with("/\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_formatting_links_and_pictures_are_safe() {
        let safe = [
            "a & b, 1 > 0, a < b, 1<2",
            "<p>Hello <strong>you</strong><br/></p>",
            r#"<p class="ql-indent-2"><span style="font-size: 16px;">x</span></p>"#,
            r#"<a href="https://a.b/?c=d&amp;e" target="_blank" rel="noopener noreferrer">x</a>"#,
            r#"<img src="data:image/png;base64,AAAA" width="10px" alt="a">"#,
            r##"<a href="#x">y</a><a href="/z">y</a>"##,
        ];
        for text in safe {
            assert!(is_safe(text), "{text}");
        }
        let unsafe_ones = [
            "<script>alert(1)</script>",
            "<SCRIPT>x",
            "<p onclick=\"x\">",
            "<p\tonclick=x>",
            "<img src=x onerror=alert(1)>",
            r#"<img src="x" onerror="alert(1)">"#,
            r#"<a href="javascript:alert(1)">x</a>"#,
            r#"<a href="java&#115;cript:alert(1)">x</a>"#,
            r#"<a href="//evil">x</a>"#,
            r#"<a href="/\evil">x</a>"#,
            r#"<a href="https://a" target="_blank">x</a>"#,
            r#"<span style="font-size:16px;background:url(x)">x</span>"#,
            "<svg/onload=alert(1)>",
            "<!-- x -->",
            "<p",
            r#"<a href="https://a"onclick="x">"#,
            r#"<img alt="a>b" src="x"#,
        ];
        for text in unsafe_ones {
            assert!(!is_safe(text), "{text}");
        }
    }
}
