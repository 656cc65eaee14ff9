//! Signing as senders do, for requests that are sent by way of trial. Only what who checks a signature can make himself:
//! not what is signed by a private key, nor what is encrypted.

use super::custom;
use super::row::{Part, Place, Row, Unit};
use super::rule::{Message, Rule};
use super::schemes::{self, Proof};
use super::settings;
use super::token;
use crate::expr::{Object, Value};
use crate::webhook::head::Head;
use crate::webhook::secret::Secret;

/// What goes into a signature beside the request and the secret.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// Milliseconds since 1970.
    pub now: i64,
    /// Tells this delivery from others.
    pub id: &'a str,
    /// The URL of the webhook without a query.
    pub url: &'a str,
}

/// Signs a request by a configuration of `sidehook.signature`: puts all headers into its head that a sender would.
/// `env` is what `$env` holds. An error says why it cannot be signed.
pub fn sign(
    config: &Value,
    env: &Object,
    head: &mut Head,
    body: &[u8],
    trial: Trial<'_>,
) -> Result<(), String> {
    let name = config.member("scheme");
    let scheme = name.as_str().and_then(schemes::find);
    let scheme = scheme.ok_or_else(|| format!("a scheme is one of {}", signable().join(", ")))?;
    let secret = config.member("secret");
    let secret = Secret::parse(&secret).ok_or("a secret is a text, or {{$env.NAME}}")?;
    let secret = secret.bytes(env).ok_or("the environment variable of the secret is missing or empty")?;
    if scheme.name == "token" {
        return token::put(config, secret, head);
    }
    let rules = match scheme.proof {
        Proof::Rows(rows) => rows.iter().map(Rule::of).collect(),
        Proof::Code(_) if scheme.name == "hmac" => vec![custom::rule_of(config).map_err(|fault| fault.text)?],
        Proof::Code(_) => Vec::new(),
    };
    let rule = rules.iter().find_map(|rule: &Rule| {
        let key = rule.key.read(secret).filter(|_| !rule.algorithm.is_asymmetric())?;
        Some((rule, key))
    });
    let Some((rule, key)) = rule else {
        let is_known = signable().contains(&scheme.name);
        return Err(match is_known {
            true => format!("the secret is not of the form of {}", scheme.name),
            false => format!("{} cannot be imitated: it needs a key of its sender, or encrypts", scheme.name),
        });
    };
    if let Some(super::Delivery::Header(name)) = &scheme.delivery {
        set_default(head, name, trial.id);
    }
    rule.sign(&key, head, body, trial)
}

/// The schemes by which requests can be signed here.
pub fn signable() -> Vec<&'static str> {
    let is_signable = |row: &Row| !row.algorithm.is_asymmetric();
    let all = schemes::SCHEMES.iter().filter(|scheme| match scheme.proof {
        Proof::Rows(rows) => rows.iter().any(is_signable),
        Proof::Code(_) => ["hmac", "token"].contains(&scheme.name),
    });
    all.map(|scheme| scheme.name).collect()
}

impl Rule {
    fn sign(&self, key: &Vec<u8>, head: &mut Head, body: &[u8], trial: Trial<'_>) -> Result<(), String> {
        let mut beside = String::new();
        let mut written = String::new();
        if let Some(stamp) = &self.stamp {
            written = stamp.unit.written(trial.now);
            match &stamp.place {
                Place::Header(name) => {
                    set_default(head, name, &written);
                    written = head.header(name).unwrap_or_default().to_owned();
                }
                Place::Beside(prefix) => {
                    beside =
                        format!("{prefix}{written}{}", self.separator.map(String::from).unwrap_or_default());
                }
                // It is the body's own.
                Place::Member(_) => written = String::new(),
            }
        }
        if let Some(id) = self.id.as_deref().filter(|_| self.signed.contains(&Part::Id)) {
            set_default(head, id, trial.id);
        }
        let (now, tolerance) = (trial.now as f64, settings::TOLERANCE);
        let message = Message { head, body, url: Some(trial.url), now, tolerance };
        let parts: Option<Vec<_>> =
            self.signed.iter().map(|part| self.part(part, key, &written, &message)).collect();
        let parts = parts.ok_or("a header is missing that is signed; give it with --header")?;
        let made = self.algorithm.made(key, &parts).ok_or("it is signed by a private key")?;
        let made = crate::field::latin1(&self.encoding.write(&made));
        let value = format!("{beside}{}{made}", self.prefix);
        head.headers.push((self.header.to_string(), value));
        Ok(())
    }
}

impl Unit {
    /// A time as a sender writes it.
    fn written(self, ms: i64) -> String {
        match self {
            Self::Seconds => ms.div_euclid(1000).to_string(),
            Self::Milliseconds => ms.to_string(),
            Self::Date => chrono::DateTime::from_timestamp_millis(ms)
                .unwrap_or_default()
                .to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        }
    }
}

fn set_default(head: &mut Head, name: &str, value: &str) {
    if head.header(name).is_none() {
        head.headers.push((name.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;
    use crate::webhook::head::Facts;

    const NOW: i64 = 1_795_304_647_187;

    fn signed(config: &Value, body: &[u8]) -> Result<Head, String> {
        let mut head = Head {
            method: "POST".to_owned(),
            path: "/api/webhooks/k".to_owned(),
            query: "a=1".to_owned(),
            ..Head::default()
        };
        let trial = Trial { now: NOW, id: "delivery-1", url: "https://hooks.example/api/webhooks/k" };
        sign(config, &Object::new(), &mut head, body, trial)?;
        Ok(head)
    }

    fn config(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    /// The check that requests meet.
    fn is_let_in(config: &Value, head: &Head, body: &[u8]) -> bool {
        let check = super::super::parse(config).expect("it can be used").expect("a check");
        check.admit(head, Some(body), &Facts { now: NOW as f64, ..Facts::default() }).is_ok()
    }

    #[test]
    fn what_is_signed_here_is_let_in() {
        let body = format!(r#"{{"webhookTimestamp":{NOW}}}"#);
        let names = signable();
        assert!(names.len() > 15, "{names:?}");
        for name in names {
            let url = if ["hubspot", "square"].contains(&name) {
                r#","url":"https://hooks.example/api/webhooks/k""#
            } else {
                ""
            };
            let own = if ["hmac", "token"].contains(&name) { r#","header":"x-own""# } else { "" };
            let config = config(&format!(r#"{{"scheme":"{name}","secret":"c2VjcmV0"{url}{own}}}"#));
            let head = signed(&config, body.as_bytes()).expect(name);
            assert!(is_let_in(&config, &head, body.as_bytes()), "{name}: {head:?}");
            // Those who send the secret itself sign nothing.
            let is_signed = !["gitlab", "token"].contains(&name);
            assert_eq!(is_let_in(&config, &head, b"{}"), !is_signed, "{name}");
        }
    }

    #[test]
    fn a_configuration_of_ones_own_is_followed() {
        let config = config(
            r#"{"scheme":"hmac","secret":"s","header":"X-Sig","prefix":"v=","encoding":"base64","hash":"sha512",
                "signed":["id",".","timestamp",".","body"],"timestampHeader":"X-Time","timestampUnit":"milliseconds",
                "idHeader":"X-Id"}"#,
        );
        let head = signed(&config, b"x").expect("it can be signed");
        assert_eq!(head.header("x-id"), Some("delivery-1"));
        assert!(is_let_in(&config, &head, b"x") && !is_let_in(&config, &head, b"y"));
    }

    #[test]
    fn what_cannot_be_imitated_is_told() {
        for name in ["discord", "wecom", "aws-sns", "nobody"] {
            let config = config(&format!(r#"{{"scheme":"{name}","secret":"s"}}"#));
            assert!(signed(&config, b"").is_err(), "{name}");
        }
        let other = config(r#"{"scheme":"svix","secret":"not base64!"}"#);
        assert!(signed(&other, b"").expect_err("another form").contains("form of svix"));
        let missing = config(r#"{"scheme":"github","secret":"{{$env.NONE}}"}"#);
        assert!(signed(&missing, b"").expect_err("no variable").contains("missing"));
    }
}
