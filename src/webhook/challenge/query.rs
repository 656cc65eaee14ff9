//! Challenges in the query, and those that are nothing but a request: Dropbox, Meta and other WebSub hubs, Microsoft
//! Graph, Mailchimp, Trello.

use super::super::admission::signature::{Algorithm, Encoding, KeyForm, settings, single};
use super::super::admission::{Fault, Members};
use super::{Greet, Greeting, Look, unwelcome};
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

pub(super) const TOKENS: &[&str] = &["token", "tokens"];

/// `GET …?challenge=…` (<https://www.dropbox.com/developers/reference/webhooks>).
#[derive(Debug)]
struct Dropbox;

pub(super) fn parse_dropbox(_: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Dropbox))
}

impl Greet for Dropbox {
    fn by_head(&self, head: &Head, _: &Facts) -> Look {
        let challenge = single(&head.query, "challenge").filter(|_| head.method == "GET")?;
        Some(Ok(Greeting::Echo(challenge)))
    }
}

/// `POST …?validationToken=…`, without a body
/// (<https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks>).
#[derive(Debug)]
struct Graph;

pub(super) fn parse_graph(_: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Graph))
}

impl Greet for Graph {
    fn by_head(&self, head: &Head, _: &Facts) -> Look {
        let token =
            single(&head.query, "validationToken").filter(|_| ["GET", "POST"].contains(&&*head.method))?;
        Some(Ok(Greeting::Echo(token)))
    }
}

/// `GET …?hub.mode=subscribe&hub.verify_token=…&hub.challenge=…`
/// (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>).
#[derive(Debug)]
struct Hub {
    tokens: Vec<Secret>,
}

pub(super) fn parse_hub(members: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Hub { tokens: settings::secrets(members, "token", "tokens")? }))
}

impl Greet for Hub {
    fn by_head(&self, head: &Head, facts: &Facts) -> Look {
        let challenge = single(&head.query, "hub.challenge").filter(|_| head.method == "GET")?;
        Some(self.check(head, facts).map(|()| Greeting::Echo(challenge)))
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.tokens.iter().collect()
    }
}

impl Hub {
    fn check(&self, head: &Head, facts: &Facts) -> Result<(), Refusal> {
        let tokens = settings::keys(&self.tokens, &[KeyForm::Text], &facts.env)?;
        let given = single(&head.query, "hub.verify_token").unwrap_or_default();
        let is_right = |token: &[u8]| Algorithm::Token.proves(token, &[], &[&given], Encoding::Plain);
        let is_known = tokens.iter().map(|(_, token)| is_right(token)).fold(false, |any, this| any | this);
        let is_subscription = single(&head.query, "hub.mode").as_deref() == Some("subscribe");
        if is_known && is_subscription { Ok(()) } else { Err(unwelcome()) }
    }
}

/// A request of one method, which wants to hear 200.
#[derive(Debug)]
struct Probe(&'static str);

/// <https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/>
pub(super) fn parse_mailchimp(_: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Probe("GET")))
}

/// <https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/>
pub(super) fn parse_trello(_: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Probe("HEAD")))
}

impl Greet for Probe {
    fn by_head(&self, head: &Head, _: &Facts) -> Look {
        (head.method == self.0).then_some(Ok(Greeting::Empty(200)))
    }
}
