//! All schemes: which sender signs how. A sender that is added is a row here, and its vendor's example in
//! `tests/signatures/`; only what is no row has a file.

use std::borrow::Cow;

use super::algorithm::{Algorithm, Encoding, KeyForm};
use super::row::{Delivery, HMAC, Part, Place, Row, Stamp, Unit};
use super::{alipay, custom, envelope, feishu, mailgun, sns, token, twilio, wechat_pay};
use crate::expr::Value;
use crate::webhook::admission::check::Parsed;

/// How a sender proves that it has sent a request.
#[derive(Debug)]
pub(super) struct Scheme {
    /// Its name in configurations.
    pub name: &'static str,
    pub proof: Proof,
    /// Where the sender tells one delivery from another.
    pub delivery: Option<Delivery>,
}

/// What a scheme asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    /// What one of some rows says. The form of a secret tells for which of them it is.
    Rows(&'static [Row]),
    /// What a file of its own reads from the configuration.
    Code(fn(&Value) -> Parsed),
}

/// A scheme by its name.
pub(super) fn find(name: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.name == name)
}

/// All headers that hold a signature, or a secret.
pub fn headers() -> impl Iterator<Item = &'static str> {
    let rows = SCHEMES.iter().flat_map(|scheme| match scheme.proof {
        Proof::Rows(rows) => rows,
        Proof::Code(_) => &[],
    });
    rows.map(|row| row.header).chain([twilio::HEADER])
}

/// Base64 instead of hexadecimal digits.
const BASE64: Row = Row { encoding: Encoding::Base64, ..HMAC };

/// Standard Webhooks, with a shared secret and with a pair of keys
/// (<https://github.com/standard-webhooks/standard-webhooks>, `spec/`).
const STANDARD: [Row; 2] = [STANDARD_HMAC, STANDARD_ED25519];
const STANDARD_HMAC: Row = Row {
    header: "webhook-signature",
    prefix: "v1,",
    separator: Some(' '),
    key: KeyForm::MaybePrefixed("whsec_"),
    signed: &[Part::Id, Part::text("."), Part::Stamp, Part::text("."), Part::Body],
    stamp: Some(&Stamp::header("webhook-timestamp", Unit::Seconds)),
    id: Some("webhook-id"),
    ..BASE64
};
const STANDARD_ED25519: Row =
    Row { prefix: "v1a,", algorithm: Algorithm::Ed25519, key: KeyForm::Base64("whpk_"), ..STANDARD_HMAC };
const SVIX: [Row; 2] = [svix(STANDARD_HMAC), svix(STANDARD_ED25519)];

/// The same under the names of the service from which the standard has come.
const fn svix(row: Row) -> Row {
    let stamp = Some(&Stamp { place: Place::Header(Cow::Borrowed("svix-timestamp")), unit: Unit::Seconds });
    Row { header: "svix-signature", stamp, id: Some("svix-id"), ..row }
}

/// In the order of their names. Each says where its sender describes it.
pub(super) static SCHEMES: &[Scheme] = &[
    Scheme { name: "alipay", proof: Proof::Code(alipay::parse), delivery: in_body("notify_id") },
    Scheme { name: "aws-sns", proof: Proof::Code(sns::parse), delivery: in_body("MessageId") },
    // https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
    Scheme {
        name: "bitbucket",
        proof: Proof::Rows(&[Row { header: "x-hub-signature", prefix: "sha256=", ..HMAC }]),
        delivery: in_header("x-request-uuid"),
    },
    Scheme { name: "dingtalk-events", proof: Proof::Code(envelope::parse_dingtalk), delivery: None },
    // https://docs.discord.com/developers/interactions/overview
    Scheme {
        name: "discord",
        proof: Proof::Rows(&[Row {
            header: "x-signature-ed25519",
            algorithm: Algorithm::Ed25519,
            key: KeyForm::Hex,
            signed: &[Part::Stamp, Part::Body],
            stamp: Some(&Stamp::header("x-signature-timestamp", Unit::Seconds)),
            ..HMAC
        }]),
        delivery: in_body("id"),
    },
    // https://www.dropbox.com/developers/reference/webhooks
    Scheme {
        name: "dropbox",
        proof: Proof::Rows(&[Row { header: "x-dropbox-signature", ..HMAC }]),
        delivery: None,
    },
    Scheme { name: "feishu", proof: Proof::Code(feishu::parse), delivery: in_body("header.event_id") },
    // https://docs.gitea.com/usage/webhooks, and Forgejo, which sends the same headers
    Scheme {
        name: "gitea",
        proof: Proof::Rows(&[Row { header: "x-gitea-signature", ..HMAC }]),
        delivery: in_header("x-gitea-delivery"),
    },
    // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    Scheme {
        name: "github",
        proof: Proof::Rows(&[Row { header: "x-hub-signature-256", prefix: "sha256=", ..HMAC }]),
        delivery: in_header("x-github-delivery"),
    },
    // https://docs.gitlab.com/user/project/integrations/webhooks/: a secret token, or a signing token (whsec_…)
    Scheme {
        name: "gitlab",
        proof: Proof::Rows(&[
            Row {
                header: "x-gitlab-token",
                encoding: Encoding::Plain,
                algorithm: Algorithm::Token,
                key: KeyForm::TextUnless("whsec_"),
                signed: &[],
                ..HMAC
            },
            Row { key: KeyForm::Base64("whsec_"), ..STANDARD_HMAC },
        ]),
        delivery: in_header("idempotency-key"),
    },
    Scheme { name: "hmac", proof: Proof::Code(custom::parse), delivery: None },
    // https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
    Scheme {
        name: "hubspot",
        proof: Proof::Rows(&[Row {
            header: "x-hubspot-signature-v3",
            signed: &[Part::Method, Part::DecodedUrl, Part::Body, Part::Stamp],
            stamp: Some(&Stamp::header("x-hubspot-request-timestamp", Unit::Milliseconds)),
            ..BASE64
        }]),
        delivery: None,
    },
    Scheme { name: "lark", proof: Proof::Code(feishu::parse), delivery: in_body("header.event_id") },
    // https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/
    Scheme {
        name: "line",
        proof: Proof::Rows(&[Row { header: "x-line-signature", ..BASE64 }]),
        delivery: in_body("events[0].webhookEventId"),
    },
    // https://linear.app/developers/webhooks
    Scheme {
        name: "linear",
        proof: Proof::Rows(&[Row {
            header: "linear-signature",
            stamp: Some(&Stamp { place: Place::Member("webhookTimestamp"), unit: Unit::Milliseconds }),
            ..HMAC
        }]),
        delivery: in_header("linear-delivery"),
    },
    Scheme { name: "mailgun", proof: Proof::Code(mailgun::parse), delivery: in_body("signature.token") },
    // https://developer.paddle.com/webhooks/signature-verification
    Scheme {
        name: "paddle",
        proof: Proof::Rows(&[Row {
            header: "paddle-signature",
            prefix: "h1=",
            separator: Some(';'),
            signed: &[Part::Stamp, Part::text(":"), Part::Body],
            stamp: Some(&Stamp::beside("ts=")),
            ..HMAC
        }]),
        delivery: in_body("event_id"),
    },
    // https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    Scheme {
        name: "sendgrid",
        proof: Proof::Rows(&[Row {
            header: "x-twilio-email-event-webhook-signature",
            encoding: Encoding::Base64,
            algorithm: Algorithm::EcdsaP256,
            key: KeyForm::Public,
            signed: &[Part::Stamp, Part::Body],
            stamp: Some(&Stamp::header("x-twilio-email-event-webhook-timestamp", Unit::Seconds)),
            ..HMAC
        }]),
        delivery: None,
    },
    // https://shopify.dev/docs/apps/build/webhooks/subscribe/https
    Scheme {
        name: "shopify",
        proof: Proof::Rows(&[Row { header: "x-shopify-hmac-sha256", ..BASE64 }]),
        delivery: in_header("x-shopify-webhook-id"),
    },
    // https://docs.slack.dev/authentication/verifying-requests-from-slack
    Scheme {
        name: "slack",
        proof: Proof::Rows(&[Row {
            header: "x-slack-signature",
            prefix: "v0=",
            signed: &[Part::text("v0:"), Part::Stamp, Part::text(":"), Part::Body],
            stamp: Some(&Stamp::header("x-slack-request-timestamp", Unit::Seconds)),
            ..HMAC
        }]),
        delivery: in_body("event_id"),
    },
    // https://developer.squareup.com/docs/webhooks/step3validate
    Scheme {
        name: "square",
        proof: Proof::Rows(&[Row {
            header: "x-square-hmacsha256-signature",
            signed: &[Part::Url, Part::Body],
            ..BASE64
        }]),
        delivery: in_body("event_id"),
    },
    Scheme { name: "standard-webhooks", proof: Proof::Rows(&STANDARD), delivery: in_header("webhook-id") },
    // https://docs.stripe.com/webhooks#verify-manually
    Scheme {
        name: "stripe",
        proof: Proof::Rows(&[Row {
            header: "stripe-signature",
            prefix: "v1=",
            separator: Some(','),
            signed: &[Part::Stamp, Part::text("."), Part::Body],
            stamp: Some(&Stamp::beside("t=")),
            ..HMAC
        }]),
        delivery: in_body("id"),
    },
    // https://docs.svix.com/receiving/verifying-payloads/how-manual
    Scheme { name: "svix", proof: Proof::Rows(&SVIX), delivery: in_header("svix-id") },
    Scheme { name: "token", proof: Proof::Code(token::parse), delivery: None },
    Scheme {
        name: "twilio",
        proof: Proof::Code(twilio::parse),
        delivery: in_header("i-twilio-idempotency-token"),
    },
    // https://dev.twitch.tv/docs/eventsub/handling-webhook-events/
    Scheme {
        name: "twitch",
        proof: Proof::Rows(&[Row {
            header: "twitch-eventsub-message-signature",
            prefix: "sha256=",
            signed: &[Part::Id, Part::Stamp, Part::Body],
            stamp: Some(&Stamp::header("twitch-eventsub-message-timestamp", Unit::Date)),
            id: Some("twitch-eventsub-message-id"),
            ..HMAC
        }]),
        delivery: in_header("twitch-eventsub-message-id"),
    },
    Scheme { name: "wechat-pay", proof: Proof::Code(wechat_pay::parse), delivery: in_body("id") },
    Scheme { name: "wecom", proof: Proof::Code(envelope::parse_wecom), delivery: None },
    // https://developer.woocommerce.com/docs/apis/rest-api/webhooks/
    Scheme {
        name: "woocommerce",
        proof: Proof::Rows(&[Row { header: "x-wc-webhook-signature", ..BASE64 }]),
        delivery: in_header("x-wc-webhook-delivery-id"),
    },
    // https://developers.zoom.us/docs/api/webhooks/
    Scheme {
        name: "zoom",
        proof: Proof::Rows(&[Row {
            header: "x-zm-signature",
            prefix: "v0=",
            signed: &[Part::text("v0:"), Part::Stamp, Part::text(":"), Part::Body],
            stamp: Some(&Stamp::header("x-zm-request-timestamp", Unit::Seconds)),
            ..HMAC
        }]),
        delivery: in_header("x-zm-trackingid"),
    },
];

const fn in_header(name: &'static str) -> Option<Delivery> {
    Some(Delivery::Header(Cow::Borrowed(name)))
}

const fn in_body(path: &'static str) -> Option<Delivery> {
    Some(Delivery::Body(path))
}
