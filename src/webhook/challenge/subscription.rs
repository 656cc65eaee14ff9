//! The confirmation of a subscription to a topic of Amazon SNS: its URL is fetched, once its signature is found right.

use super::super::admission::signature::parse_object;
use super::super::admission::signature::sns::{self, Sns};
use super::super::admission::{Admit, Fault, Members};
use super::{Greet, Greeting, Look};
use crate::webhook::document::Wanted;
use crate::webhook::head::{Facts, Head};

pub(super) const MEMBERS: &[&str] = &sns::MEMBERS;

/// <https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html>
#[derive(Debug)]
struct Confirmation(Sns);

pub(super) fn parse(members: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Confirmation(Sns::of_members(members)?)))
}

impl Greet for Confirmation {
    fn documents(&self, head: &Head, body: &[u8], facts: &Facts) -> Vec<Wanted> {
        if url(body).is_none() {
            return Vec::new();
        }
        let certificate = self.0.documents(head, Some(body), facts);
        if certificate.iter().any(|wanted| !facts.documents.satisfy(wanted)) {
            return certificate;
        }
        let is_right = self.0.admit(head, Some(body), facts).is_ok();
        url(body).filter(|_| is_right).map(Wanted::new).into_iter().collect()
    }

    fn by_body(&self, head: &Head, body: &[u8], facts: &Facts) -> Look {
        url(body)?;
        Some(self.0.admit(head, Some(body), facts).map(|()| Greeting::Empty(200)))
    }
}

/// The URL by which a subscription is confirmed; none for other messages, and for one that is not Amazon's.
fn url(body: &[u8]) -> Option<url::Url> {
    let body = parse_object(body)?;
    let is_confirmation = body.member("Type").as_str() == Some("SubscriptionConfirmation");
    is_confirmation.then(|| sns::amazon_url(body.member("SubscribeURL").as_str()?)).flatten()
}
