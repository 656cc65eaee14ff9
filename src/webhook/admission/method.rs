//! The methods that a webhook answers.

use super::check::{Admit, Check, Key, Stage};
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;

pub(super) const CHECK: Check =
    Check { key: Key::Nowhere, at: Stage::Head, parse: |_| Ok(Some(Box::new(Methods))) };

/// `workflow/triggers/webhook.md` of NocoBase's documentation.
const METHODS: [&str; 1] = ["POST"];

#[derive(Debug)]
struct Methods;

impl Admit for Methods {
    fn admit(&self, head: &Head, _: Option<&[u8]>, _: &Facts) -> Result<(), Refusal> {
        if METHODS.contains(&&*head.method) { Ok(()) } else { Err(Refusal::method_not_allowed(&METHODS)) }
    }
}
