//! Files by URL that a check needs to decide about a request, such as the public keys of whoever signs. A check names
//! them and finds them among the facts; who fetches and keeps them is not known here.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

/// How old a copy may be that is used without asking for a newer one.
const MAX_AGE: Duration = Duration::from_secs(600);

/// A file that a check asks for. The URL is the configuration's, or one that a message names and whose host the check
/// has found to be right; redirects are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub url: Url,
    /// How old a copy may be.
    pub max_age: Duration,
}

/// What was found at a URL.
#[derive(Clone, Debug)]
pub struct Document {
    pub bytes: Bytes,
    /// How long ago it was fetched.
    pub age: Duration,
}

/// The files that have been fetched for a request.
#[derive(Clone, Debug, Default)]
pub struct Documents(HashMap<Url, Document>);

impl Wanted {
    /// A file of which a copy of 10 minutes ago is as good.
    pub fn new(url: Url) -> Self {
        Self { url, max_age: MAX_AGE }
    }
}

impl Documents {
    pub fn get(&self, url: &Url) -> Option<&[u8]> {
        self.0.get(url).map(|document| &*document.bytes)
    }

    pub fn insert(&mut self, url: Url, document: Document) {
        self.0.insert(url, document);
    }

    /// Whether the file is here, and new enough.
    pub fn satisfy(&self, wanted: &Wanted) -> bool {
        self.0.get(&wanted.url).is_some_and(|document| document.age <= wanted.max_age)
    }
}
