//! Challenges in bodies that are signed like any other: Slack, Zoom, Twitch, Discord, Xero.

use super::super::admission::signature::{Algorithm, KeyForm, parse_object, settings};
use super::super::admission::{Fault, Members};
use super::{Greet, Greeting, Look, json_of};
use crate::expr::Value;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

pub(super) const SECRETS: &[&str] = &["secret", "secrets"];

/// <https://docs.slack.dev/reference/events/url_verification/>
#[derive(Debug)]
struct Slack;

pub(super) fn parse_slack(_: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Slack))
}

impl Greet for Slack {
    fn by_body(&self, _: &Head, body: &[u8], _: &Facts) -> Look {
        let body = parse_object(body).filter(|body| says(body, "type", "url_verification"))?;
        Some(Ok(Greeting::Echo(body.member("challenge").as_str()?.to_owned())))
    }
}

/// <https://dev.twitch.tv/docs/eventsub/handling-webhook-events/>
#[derive(Debug)]
struct Twitch;

pub(super) fn parse_twitch(_: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Twitch))
}

impl Greet for Twitch {
    fn by_body(&self, head: &Head, body: &[u8], _: &Facts) -> Look {
        let kind = head.header("twitch-eventsub-message-type");
        let body = parse_object(body).filter(|_| kind == Some("webhook_callback_verification"))?;
        Some(Ok(Greeting::Echo(body.member("challenge").as_str()?.to_owned())))
    }
}

/// A ping of an interaction is 1 and wants to hear the same; one of an event is 0 and wants to hear 204
/// (<https://docs.discord.com/developers/interactions/overview>, `…/events/webhook-events`).
#[derive(Debug)]
struct Discord;

pub(super) fn parse_discord(_: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Discord))
}

impl Greet for Discord {
    fn by_body(&self, _: &Head, body: &[u8], _: &Facts) -> Look {
        let body = parse_object(body)?;
        match body.member("type").as_number()? {
            0.0 => Some(Ok(Greeting::Empty(204))),
            // In the other kind of request this number is that of an event.
            1.0 if body.member("event").is_nullish() => Some(Ok(Greeting::Json(r#"{"type":1}"#.to_owned()))),
            _ => None,
        }
    }
}

/// The intent to receive: requests without events, some of them signed wrongly, which have to be answered 401
/// (<https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/>).
#[derive(Debug)]
struct Xero;

pub(super) fn parse_xero(_: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Xero))
}

impl Greet for Xero {
    fn by_body(&self, _: &Head, body: &[u8], _: &Facts) -> Look {
        let events = parse_object(body)?.member("events");
        events.as_array().is_some_and(|events| events.items().is_empty()).then_some(Ok(Greeting::Empty(200)))
    }
}

/// <https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint>
#[derive(Debug)]
struct Zoom {
    secrets: Vec<Secret>,
}

pub(super) fn parse_zoom(members: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Zoom { secrets: settings::secrets(members, "secret", "secrets")? }))
}

impl Greet for Zoom {
    fn by_body(&self, _: &Head, body: &[u8], facts: &Facts) -> Look {
        let body = parse_object(body).filter(|body| says(body, "event", "endpoint.url_validation"))?;
        let token = body.member("payload").member("plainToken");
        Some(self.prove(token.as_str()?, facts))
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().collect()
    }
}

impl Zoom {
    /// The answer is a signature by the secret that signs deliveries, so it must not be one over a text that could be
    /// a delivery: those have colons.
    fn prove(&self, token: &str, facts: &Facts) -> Result<Greeting, Refusal> {
        let is_token = token.len() <= 200
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_token {
            return Err(Refusal::bad_request(
                "The plain token has other characters than letters and digits.",
            ));
        }
        let keys = settings::keys(&self.secrets, &[KeyForm::Text], &facts.env)?;
        let key = keys.first().map(|(_, key)| &**key).unwrap_or_default();
        let made = Algorithm::HmacSha256.made(key, &[token.as_bytes().into()]).unwrap_or_default();
        Ok(json_of([("plainToken", token), ("encryptedToken", &hex::encode(made))]))
    }
}

fn says(body: &Value, name: &str, text: &str) -> bool {
    body.member(name).as_str() == Some(text)
}
