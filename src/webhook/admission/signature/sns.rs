//! Amazon SNS: a signature inside a JSON body, under a certificate that stands at a URL of Amazon's
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::algorithm::{self, Algorithm};
use super::row::Unit;
use super::rule::{self, Message};
use super::settings;
use crate::expr::Value;
use crate::webhook::admission::check::{Admit, Fault, Parsed};
use crate::webhook::admission::members::Members;
use crate::webhook::document::Wanted;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;

/// SNS tries again for an hour with one and the same time: <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>.
const TOLERANCE: Duration = Duration::from_secs(3600);

/// The certificates of Amazon change about once a year, and each has a URL of its own.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// The members of a configuration beside `scheme` or `type`.
pub const MEMBERS: [&str; 2] = ["topicArn", "tolerance"];

/// Lets in messages of some topics.
#[derive(Debug)]
pub struct Sns {
    /// Whose messages are let in: everybody can have a topic, and Amazon signs for all of them.
    topics: Vec<String>,
    tolerance: Duration,
}

/// `{topicArn, tolerance}`; one topic or a list.
pub fn parse(config: &Value) -> Parsed {
    Ok(Some(Box::new(Sns::of_members(&settings::members(config, &MEMBERS)?)?)))
}

impl Admit for Sns {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let body = body.unwrap_or_default();
        let message = Message { head, body, url: None, now: facts.now, tolerance: self.tolerance };
        let notice = rule::parse_object(body).ok_or_else(settings::unproven)?;
        let is_proven = self.is_ours(&notice) && is_signed(&notice, facts).unwrap_or(false);
        let sent = notice.member("Timestamp").as_str().and_then(|text| Unit::Date.milliseconds(text));
        if is_proven && message.is_recent(sent) { Ok(()) } else { Err(settings::unproven()) }
    }

    fn documents(&self, _: &Head, body: Option<&[u8]>, _: &Facts) -> Vec<Wanted> {
        let notice = body.and_then(rule::parse_object).filter(|notice| self.is_ours(notice));
        let url = notice.and_then(|notice| certificate_url(&notice));
        url.map(|url| Wanted { url, max_age: MAX_AGE }).into_iter().collect()
    }
}

impl Sns {
    pub fn of_members(members: &Members<'_>) -> Result<Self, Fault> {
        let topics = members.needed("topicArn", members.texts("topicArn"))?;
        let topics = topics.into_iter().map(str::to_owned).collect();
        let tolerance = if members.has("tolerance") { settings::tolerance(members)? } else { TOLERANCE };
        Ok(Self { topics, tolerance })
    }

    fn is_ours(&self, notice: &Value) -> bool {
        let topic = notice.member("TopicArn");
        topic.as_str().is_some_and(|topic| self.topics.iter().any(|ours| ours == topic))
    }
}

fn certificate_url(notice: &Value) -> Option<Url> {
    amazon_url(notice.member("SigningCertURL").as_str()?).filter(|url| url.path().ends_with(".pem"))
}

/// A URL of SNS itself: `https://sns.<region>.amazonaws.com`, or `.com.cn`.
pub fn amazon_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let rest = host.strip_prefix("sns.")?;
    let region = rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))?;
    let is_region =
        region.len() >= 3 && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (is_region && is_plain).then_some(url)
}

fn is_signed(notice: &Value, facts: &Facts) -> Option<bool> {
    let algorithm = match notice.member("SignatureVersion").as_str()? {
        "1" => Algorithm::RsaSha1,
        "2" => Algorithm::RsaSha256,
        _ => return None,
    };
    let names: &[&str] = match notice.member("Type").as_str()? {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        }
        _ => return None,
    };
    let mut signed = String::new();
    for name in names {
        match notice.member(name) {
            Value::Text(text) => signed.extend([name, "\n", &*text, "\n"]),
            value if value.is_nullish() && *name == "Subject" => {}
            _ => return None,
        }
    }
    let certificate = facts.documents.get(&certificate_url(notice)?)?;
    let key = algorithm::public_key(certificate)?;
    let signature = STANDARD.decode(notice.member("Signature").as_str()?).ok()?;
    Some(algorithm.is_signed(&key, signed.as_bytes(), &signature))
}
