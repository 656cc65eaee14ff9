//! What a check is: a row of the list in the folder's `mod.rs`, read from a trigger's configuration once and asked
//! for each request.

use std::fmt::Debug;

use crate::expr::Value;
use crate::webhook::document::Wanted;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

/// A row of the list of checks.
#[derive(Clone, Copy)]
pub struct Check {
    /// Where its configuration stands.
    pub key: Key,
    /// When it is asked.
    pub at: Stage,
    /// Makes a check of its configuration; none where there is nothing to check.
    pub parse: fn(&Value) -> Parsed,
}

/// What a configuration comes to: a check, nothing to check, or something that cannot be used.
pub(super) type Parsed = Result<Option<Box<dyn Admit>>, Fault>;

/// Where the configuration of a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Nowhere: it is the same for all webhooks.
    Nowhere,
    /// A member of the trigger's configuration, which NocoBase's own plugin knows too.
    Trigger(&'static str),
    /// A member of `sidehook`.
    Extension(&'static str),
}

/// How much of a request there is when a check is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the body is read.
    Head,
    /// The body was read and nothing was made of it yet.
    Body,
}

/// Decides whether a request is let in. It does nothing else: no clock, no database.
pub trait Admit: Debug + Send + Sync {
    /// `body` is there in [`Stage::Body`] only.
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal>;

    /// What a body comes to that was sent encrypted, asked for once the request is let in; none where it stays as it is.
    fn open(&self, _head: &Head, _body: &[u8], _facts: &Facts) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(None)
    }

    /// The files that it needs to decide about this request. It is asked again once they are among the facts, and may
    /// then want others, or newer copies; it decides when all of them are there. One that cannot be had refuses the
    /// request.
    fn documents(&self, _head: &Head, _body: Option<&[u8]>, _facts: &Facts) -> Vec<Wanted> {
        Vec::new()
    }

    /// The secrets that it goes by, so that it can be said which of them are missing.
    fn secrets(&self) -> Vec<&Secret> {
        Vec::new()
    }

    /// The longest body that it lets in, in bytes.
    fn body_limit(&self) -> Option<usize> {
        None
    }

    /// Where senders put what lets them in: it stays out of contexts that hold the request as a whole.
    fn credentials(&self) -> Vec<Credential<'_>> {
        Vec::new()
    }
}

/// A part of a request that holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// A header, its name in lower case.
    Header(&'a str),
    /// A parameter of the query, by its name once decoded.
    Query(&'a str),
}

impl<'a> Credential<'a> {
    /// The name of a parameter of the query.
    pub fn query(self) -> Option<&'a str> {
        match self {
            Credential::Header(_) => None,
            Credential::Query(name) => Some(name),
        }
    }
}

/// What is wrong with a part of a trigger's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// For the operator: the finding of `check` and the line of the log.
    pub text: String,
    /// What senders are told when it is the check's turn; without it all of the trigger is unusable.
    pub refusal: Option<Refusal>,
}

impl Fault {
    /// A part that this version cannot use.
    pub fn unusable(text: impl Into<String>) -> Self {
        Self { text: text.into(), refusal: None }
    }

    /// A check that refuses everyone.
    pub fn refusing(refusal: Refusal, text: impl Into<String>) -> Self {
        Self { text: text.into(), refusal: Some(refusal) }
    }
}
