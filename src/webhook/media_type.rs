//! Content types, and texts in the charsets that they name.

use std::borrow::Cow;

use super::refusal::Refusal;

/// A content type, such as `Text/HTML; charset="utf-8"`.
pub(super) struct MediaType {
    /// `text/html`, in lower case.
    pub essence: String,
    /// In lower case.
    pub charset: Option<String>,
    /// What separates the parts of a multipart body.
    pub boundary: Option<String>,
}

impl MediaType {
    /// Tolerates more than RFC 9110 allows: some clients send a boundary with `=` in it and no quotes.
    pub fn parse(text: &str) -> Self {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let parameter = |wanted: &str| {
            parameters.split(';').find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                let value = value.trim().trim_matches('"').to_owned();
                name.trim().eq_ignore_ascii_case(wanted).then_some(value)
            })
        };
        Self {
            essence: essence.trim().to_ascii_lowercase(),
            charset: parameter("charset").map(|charset| charset.to_ascii_lowercase()),
            boundary: parameter("boundary").filter(|boundary| !boundary.is_empty()),
        }
    }

    /// The bytes as text: in UTF-8, or the charset given. Refuses other charsets (415).
    pub fn decode(&self, bytes: &[u8]) -> Result<String, Refusal> {
        let characters = bytes.iter().copied().map(char::from);
        match self.charset.as_deref().unwrap_or("utf-8") {
            "utf-8" | "utf8" => Ok(utf8(bytes).into_owned()),
            // The first 256 characters of Unicode are those of ISO 8859-1.
            "iso-8859-1" | "latin1" => Ok(characters.collect()),
            "us-ascii" | "ascii" => {
                Ok(characters.map(|c| if c.is_ascii() { c } else { char::REPLACEMENT_CHARACTER }).collect())
            }
            _ => Err(Refusal::unsupported_type("Text is read in utf-8, iso-8859-1 and us-ascii only.")),
        }
    }
}

/// UTF-8 without its byte order mark, invalid bytes replaced.
pub(super) fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
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
        assert_eq!(MediaType::parse("text/plain; a; charset = UTF-8").charset.as_deref(), Some("utf-8"));
    }
}
