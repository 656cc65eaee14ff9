//! Content types, and texts in the charsets that they name.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

/// Beside these, every type that ends in `+json` is JSON, and AWS's `application/x-amz-json-1.1`.
const JSON_TYPES: [&str; 5] =
    ["application/json", "text/json", "application/x-json", "text/x-json", "application/csp-report"];

/// JSON values one after the other, each on a line: ndjson.org, jsonlines.org, and Spring's former name for it.
const LINES_TYPES: [&str; 10] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/x-jsonlines",
    "application/jsonlines",
    "application/x-jsonl",
    "application/jsonl",
    "application/stream+json",
    "text/x-ndjson",
    "text/ndjson",
    "text/jsonl",
];

/// How a body of a content type is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No content type was given.
    Unnamed,
    Json,
    /// Several JSON values.
    Lines,
    Form,
    /// `text/plain`: a text of whatever kind.
    Plain,
    Text,
    Multipart,
    Other,
}

/// A content type, such as `Text/HTML; charset="utf-8"`.
pub(super) struct MediaType {
    /// `text/html`, in lower case.
    pub essence: String,
    /// As it is written; `None` where there is none or an empty one.
    pub charset: Option<String>,
    /// What separates the parts of a multipart body.
    pub boundary: Option<String>,
}

impl MediaType {
    /// Tolerates more than RFC 9110 allows: some clients send a boundary with `=` in it and no quotes, some no `;`
    /// before a parameter, and some the header twice.
    pub(super) fn parse(text: &str) -> Self {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (essence, more) = essence.trim().split_once([' ', '\t', ',']).unwrap_or((essence, ""));
        let parameter = |wanted: &str| {
            parameters.split(';').chain([more]).find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                let value = value.trim().trim_matches('"').to_owned();
                name.trim().eq_ignore_ascii_case(wanted).then_some(value)
            })
        };
        let filled = |value: &String| !value.is_empty();
        Self {
            essence: essence.trim().to_ascii_lowercase(),
            charset: parameter("charset").map(|charset| first(&charset)).filter(filled),
            boundary: parameter("boundary").filter(filled),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match &*self.essence {
            "" => Kind::Unnamed,
            "application/x-www-form-urlencoded" => Kind::Form,
            "multipart/form-data" => Kind::Multipart,
            essence if LINES_TYPES.contains(&essence) => Kind::Lines,
            essence if JSON_TYPES.contains(&essence) || essence.ends_with("+json") => Kind::Json,
            essence if essence.starts_with("application/x-amz-json-") => Kind::Json,
            "text/plain" => Kind::Plain,
            "application/xml" => Kind::Text,
            essence if essence.starts_with("text/") || essence.ends_with("+xml") => Kind::Text,
            _ => Kind::Other,
        }
    }
}

/// Of a header that came twice: `utf-8, text/plain` is `utf-8`.
fn first(value: &str) -> String {
    value.split(',').next().unwrap_or_default().trim_matches('"').to_owned()
}

/// A charset by one of the labels of the WHATWG's encoding standard, by which browsers and Node.js go, too:
/// `iso-8859-1` and `us-ascii` are windows-1252 there. `None` for a label that is not known.
#[derive(Clone, Copy)]
pub(super) struct Charset(&'static Encoding);

impl Charset {
    pub(super) const UTF_8: Self = Self(UTF_8);

    pub(super) fn of_label(label: &str) -> Option<Self> {
        Encoding::for_label_no_replacement(label.trim().as_bytes()).map(Self)
    }

    pub(super) fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// The text without a byte order mark; what the charset does not have becomes U+FFFD.
    pub(super) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        self.0.decode_with_bom_removal(bytes).0
    }

    /// The text, if all of it is text in this charset.
    pub(super) fn decode_all(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let (text, is_broken) = self.0.decode_with_bom_removal(bytes);
        (!is_broken).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_whatever_their_form() {
        let plain = MediaType::parse("Multipart/Form-Data");
        assert_eq!((&*plain.essence, plain.boundary), ("multipart/form-data", None));
        let cases = [
            ("multipart/form-data; boundary=aB1", "aB1"),
            ("multipart/form-data;charset=UTF-8;Boundary=\"a b:1\"", "a b:1"),
            ("multipart/form-data; boundary=----=_Part_1.2", "----=_Part_1.2"),
        ];
        for (text, boundary) in cases {
            assert_eq!(MediaType::parse(text).boundary.as_deref(), Some(boundary), "{text}");
        }
        assert_eq!(MediaType::parse("multipart/form-data; boundary=\"\"").boundary, None);
        assert_eq!(MediaType::parse("text/plain; charset=").charset, None);
        for twice in
            ["a/json charset=utf-8", "a/json, a/json; charset=utf-8", "a/json; charset=utf-8, a/json"]
        {
            let twice = MediaType::parse(twice);
            assert_eq!((&*twice.essence, twice.charset.as_deref()), ("a/json", Some("utf-8")));
        }
        assert_eq!(MediaType::parse("text/plain; a; charset = UTF-8").charset.as_deref(), Some("UTF-8"));
    }

    #[test]
    fn texts_are_decoded_by_label() {
        let cases: [(&str, &[u8], &str); 9] = [
            ("ISO-8859-1", b"\xe9\x80", "é€"),
            ("us-ascii", b"\xe9", "é"),
            ("UTF8", b"\xef\xbb\xbfa\xff", "a\u{fffd}"),
            ("gb2312", b"\xc4\xe3\xba\xc3", "你好"),
            ("GB18030", b"\x81\x30\x81\x30", "\u{80}"),
            ("big5", b"\xa7A\xa6n", "你好"),
            ("Shift_JIS", b"\x82\xa0", "あ"),
            ("koi8-r", b"\xd0", "п"),
            ("utf-16", b"\xff\xfea\0", "a"),
        ];
        for (label, bytes, text) in cases {
            let charset = Charset::of_label(label).unwrap_or_else(|| panic!("{label} is known"));
            assert_eq!(charset.decode(bytes), text, "{label}");
            assert_eq!(charset.decode_all(bytes).is_some(), !text.contains('\u{fffd}'), "{label}");
        }
        for unknown in ["utf-7", "hz-gb-2312", "nonsense", ""] {
            assert!(Charset::of_label(unknown).is_none(), "{unknown}");
        }
    }
}
