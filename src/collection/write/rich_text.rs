//! Rich text as NocoBase would keep it. NocoBase takes dangerous HTML out (`sanitize-rich-text-html.ts`); here a text
//! has to do without it from the start. What its tags are, is decided as browsers do it, by their own parser.

use std::cell::Cell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

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

/// Stands behind every text: where the parser does not find it, the text ends in the middle of something.
const END: &str = "br";

/// Whether the text holds nothing but elements, attributes and addresses that NocoBase leaves alone.
pub(super) fn is_safe(text: &str) -> bool {
    // To the parser `<ſ` is text, but who changes the case of letters makes a tag of it.
    let begins_oddly = |rest: &str| rest.starts_with(|c: char| !c.is_ascii() && c.is_alphabetic());
    if text.split('<').skip(1).any(begins_oddly) {
        return false;
    }
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(format!("{text}<{END}>")));
    let tokenizer = Tokenizer::new(Judge::default(), TokenizerOpts::default());
    // A script would stop the parser here; it is no element that may be there.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    !tokenizer.sink.has_found_fault.get() && tokenizer.sink.is_at_end.get()
}

#[derive(Default)]
struct Judge {
    has_found_fault: Cell<bool>,
    /// Whether the last tag is the one that stands behind the text.
    is_at_end: Cell<bool>,
}

impl TokenSink for Judge {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let is_allowed = match &token {
            Token::TagToken(tag) => {
                self.is_at_end.set(&*tag.name == END && tag.attrs.is_empty());
                is_allowed_tag(tag)
            }
            Token::CommentToken(_) | Token::DoctypeToken(_) => false,
            // `a < b` is an error, too, and text.
            _ => true,
        };
        if !is_allowed {
            self.has_found_fault.set(true);
        }
        TokenSinkResult::Continue
    }
}

fn is_allowed_tag(tag: &Tag) -> bool {
    let attributes: Vec<(&str, &str)> =
        tag.attrs.iter().map(|attribute| (&*attribute.name.local, &*attribute.value)).collect();
    let may_have_some = tag.kind == TagKind::StartTag || attributes.is_empty();
    may_have_some
        && is_element(&tag.name)
        && attributes.iter().all(|(key, value)| is_allowed(&tag.name, key, value, &attributes))
}

fn is_element(name: &str) -> bool {
    PLAIN.contains(&name) || name == "span"
}

fn is_allowed(element: &str, key: &str, value: &str, attributes: &[(&str, &str)]) -> bool {
    let is_image = value.strip_prefix("data:image/").and_then(|rest| rest.split_once(";base64,"));
    match (element, key) {
        ("a", "href") => has_scheme(value, &["http://", "https://", "mailto:", "tel:"]) || is_local(value),
        ("a", "target") => {
            value == "_self" || (value == "_blank" && attributes.contains(&("rel", "noopener noreferrer")))
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
            "<img alt=",
            "text</p",
            "<br ",
            "<!--",
            "<p><![CDATA[x]]>",
            "</p onclick=x>",
            "<ſcript>",
            r#"<a href="java
script:alert(1)">x</a>"#,
            "<textarea><p></textarea>",
            "<p/onclick=x>",
        ];
        for text in unsafe_ones {
            assert!(!is_safe(text), "{text}");
        }
    }
}
