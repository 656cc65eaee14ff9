//! What a check is: a row of the list in the folder's `mod.rs`, read from a trigger's configuration once and asked
//! for each request.

use std::fmt::Debug;

use crate::expr::Value;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;

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
pub type Parsed = Result<Option<Box<dyn Admit>>, Fault>;

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
