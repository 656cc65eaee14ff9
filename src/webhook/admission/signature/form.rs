//! What a signed form says, as pairs of names and values: its signature is over these, not over its bytes.

use url::form_urlencoded;

use crate::webhook::head::Head;

/// More fields than any sender has.
const MOST_FIELDS: usize = 1000;

/// The fields of a form in their order. None for a body of another type, for one in another charset than UTF-8 (which
/// the signature does not cover), and for too many fields.
pub(super) fn fields(head: &Head, body: &[u8]) -> Option<Vec<(String, String)>> {
    if !is_form(head) {
        return None;
    }
    let fields: Vec<_> = form_urlencoded::parse(body).take(MOST_FIELDS + 1).collect();
    let is_short = fields.len() <= MOST_FIELDS;
    is_short.then(|| fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

/// Whether a body is a form in UTF-8 by its type.
pub(super) fn is_form(head: &Head) -> bool {
    let Some(value) = head.header("content-type") else { return false };
    let mut parts = value.split(';').map(str::trim);
    let is_form =
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    let mut charsets = parts.filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    is_form && charsets.all(|charset| charset.eq_ignore_ascii_case("utf-8"))
}
