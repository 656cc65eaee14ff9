//! Where bearer tokens are sent (RFC 6750, section 2.1).

use crate::webhook::head::Head;

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(head: &Head) -> Option<&str> {
    let (scheme, token) = head.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' ')).filter(|token| !token.is_empty())
}
