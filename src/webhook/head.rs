//! A request before its body is read, as any transport can bring it, and what else is known of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::document::Documents;
use crate::expr::Object;

/// What comes before a body.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// As it was sent; methods are case-sensitive.
    pub method: String,
    /// The path of the URL, still encoded.
    pub path: String,
    /// Names in lower case and values as text (ISO 8859-1), in the order of the request; a name may be
    /// repeated.
    pub headers: Vec<(String, String)>,
    /// The query string without `?`, still encoded.
    pub query: String,
}

/// What a check may go by besides the request.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub now: f64,
    /// How long the server has run; it never goes back, as `now` may.
    pub since_start: Duration,
    /// Who has called: the other side of the connection, or whom a trusted proxy names; none where that is not known.
    pub peer: Option<IpAddr>,
    /// Whether a recorded request is handled once more, which was let in when it came. Who has sent it, when and from
    /// where is not asked again.
    pub is_replay: bool,
    /// `$env`
    pub env: Arc<Object>,
    /// The files that checks have asked for so far.
    pub documents: Documents,
}

impl Head {
    /// The first value of a header, `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header, `name` in lower case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header as one (RFC 9110, section 5.2), `name` in lower case.
    pub fn joined_header(&self, name: &str) -> Option<String> {
        self.values(name).map(str::to_owned).reduce(|joined, value| joined + ", " + &value)
    }
}
