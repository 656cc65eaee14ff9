//! `signature`: whether a request was sent by who it says, by a signature over what was sent. Which sender signs how is
//! the list in `schemes.rs`; nothing of a body is made before its signature is found right.

mod algorithm;
mod alipay;
mod custom;
pub mod envelope;
pub mod feishu;
mod form;
mod mailgun;
mod row;
mod rule;
mod schemes;
pub mod settings;
pub mod sign;
mod signed;
pub mod sns;
mod token;
mod twilio;
mod wechat_pay;

pub use self::algorithm::{Algorithm, Encoding, KeyForm};
pub use self::envelope::single;
pub use self::row::{Delivery, Unit};
pub use self::rule::parse_object;
pub use self::schemes::headers;
use self::schemes::{Proof, Scheme};
use super::check::{Check, Fault, Key, Parsed, Stage};
use super::members::unusable;
use crate::expr::Value;
use crate::expr::path::Path;
use crate::webhook::head::Head;

pub(super) const CHECK: Check = Check { key: Key::Extension("signature"), at: Stage::Body, parse };

/// `{scheme, secret | secrets, tolerance, …}`; what else depends on the scheme.
fn parse(config: &Value) -> Parsed {
    if config.is_nullish() {
        return Ok(None);
    }
    match scheme(config)?.proof {
        Proof::Rows(rows) => signed::parse(config, rows),
        Proof::Code(parse) => parse(config),
    }
}

fn scheme(config: &Value) -> Result<&'static Scheme, Fault> {
    if config.as_object().is_none() {
        return Err(unusable(settings::PLACE, "has to be an object with a `scheme`"));
    }
    let place = format!("{}.scheme", settings::PLACE);
    match config.member("scheme") {
        name if name.is_nullish() => Err(unusable(&place, "is missing")),
        name => name.as_str().and_then(schemes::find).ok_or_else(|| {
            let known: Vec<&str> = schemes::SCHEMES.iter().map(|scheme| scheme.name).collect();
            let known = known.join(", ");
            unusable(&place, &format!("is not known to this version, which knows {known}"))
        }),
    }
}

/// Where the sender of a signature tells one delivery from another, by `sidehook.signature`; none where it does not.
pub fn delivery(config: &Value) -> Option<Delivery> {
    let scheme = scheme(config).ok()?;
    let own = scheme.delivery.clone();
    own.or_else(|| (scheme.name == "hmac").then(|| custom::delivery(config)).flatten())
}

impl Delivery {
    /// The id of a delivery, the same each time that the sender tries. `body` is what was made of the body.
    pub fn find(&self, head: &Head, body: &Value) -> Option<String> {
        let id = match self {
            Self::Header(name) => head.header(name).map(str::to_owned),
            Self::Body(path) => match Path::parse(path).get(body) {
                Value::Number(number) => Some(number.to_string()),
                value => value.as_str().map(str::to_owned),
            },
        };
        id.filter(|id| !id.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path as File;
    use std::sync::Arc;
    use std::time::Duration;

    use url::Url;

    use super::*;
    use crate::expr::json;
    use crate::webhook::admission::check::Admit;
    use crate::webhook::document::Document;
    use crate::webhook::head::Facts;
    use crate::webhook::refusal::Refusal;
    use crate::webhook::trigger::Trigger;

    /// A request as a sender signs it, see `tests/signatures/make.mjs`.
    #[derive(Clone)]
    struct Vector {
        name: String,
        config: Value,
        head: Head,
        body: Vec<u8>,
        facts: Facts,
        raw: Value,
    }

    fn entries(value: &Value, member: &str) -> Vec<Value> {
        value.member(member).as_array().map(|array| array.items().to_vec()).unwrap_or_default()
    }

    fn text(value: &Value) -> String {
        value.as_str().unwrap_or_default().to_owned()
    }

    fn vectors() -> Vec<Vector> {
        let file = File::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures/vectors.json");
        let file = json::parse(&fs::read(file).expect("the vectors")).expect("vectors as JSON");
        let vectors: Vec<_> = entries(&file, "vectors").into_iter().map(Vector::of).collect();
        assert!(vectors.len() > 40, "{} vectors", vectors.len());
        vectors
    }

    impl Vector {
        fn of(raw: Value) -> Self {
            let request = raw.member("request");
            let header = |pair: Value| {
                let pair = pair.as_array().expect("a name and a value").items().to_vec();
                (text(&pair[0]), text(&pair[1]))
            };
            let head = Head {
                method: "POST".to_owned(),
                path: "/api/webhooks/key".to_owned(),
                headers: entries(&request, "headers").into_iter().map(header).collect(),
                query: text(&request.member("query")),
            };
            let mut facts = Facts { now: raw.member("now").as_number().expect("a time"), ..Facts::default() };
            for (url, file) in raw.member("documents").as_object().into_iter().flat_map(|files| files.iter())
            {
                let document = Document { bytes: text(file).into_bytes().into(), age: Duration::ZERO };
                facts.documents.insert(Url::parse(url).expect("a URL"), document);
            }
            let (name, config) = (text(&raw.member("name")), raw.member("signature"));
            Self { name, config, head, body: text(&request.member("body")).into_bytes(), facts, raw }
        }

        fn check(&self) -> Result<Box<dyn Admit>, Fault> {
            parse(&self.config).map(|check| check.expect("a check"))
        }

        fn admitted(&self) -> Result<(), Refusal> {
            self.check().expect("a usable configuration").admit(&self.head, Some(&self.body), &self.facts)
        }

        /// The status that the request gets; 503 for a configuration that cannot be used.
        fn status(&self) -> u16 {
            let admit = |check: Box<dyn Admit>| check.admit(&self.head, Some(&self.body), &self.facts);
            self.check().map_or(503, |check| admit(check).map_or_else(|refusal| refusal.status, |()| 200))
        }

        /// The body that a workflow gets.
        fn opened(&self) -> Result<Vec<u8>, Refusal> {
            let opened =
                self.check().expect("a usable configuration").open(&self.head, &self.body, &self.facts)?;
            Ok(opened.unwrap_or_else(|| self.body.clone()))
        }

        /// What the body says: JSON, the fields of a form, or a text.
        fn content(&self) -> Option<Value> {
            let opened = self.opened().ok()?;
            Some(match (json::parse(&opened), form::fields(&self.head, &opened)) {
                (Ok(content), _) => content,
                (Err(_), Some(fields)) => {
                    Value::object(fields.into_iter().map(|(name, value)| (name, Value::from(value))))
                }
                (Err(_), None) => Value::from(String::from_utf8(opened).ok()?),
            })
        }

        /// Whether a byte of a text is not signed: a part that the vector names.
        fn is_free(&self, list: &str, whole: &[u8], at: usize) -> bool {
            entries(&self.raw, list).iter().any(|part| {
                let part = text(part).into_bytes();
                let starts =
                    (0..=whole.len().saturating_sub(part.len())).filter(|i| whole[*i..].starts_with(&part));
                starts.into_iter().any(|start| (start..start + part.len()).contains(&at))
            })
        }

        fn is_asymmetric(&self) -> bool {
            self.config.member("publicKey").as_str().is_some() || self.name.starts_with("aws")
        }

        /// The same request with one bit of its body changed, each that is signed.
        fn for_other_bodies(&self, look: &mut dyn FnMut(Self)) {
            for at in 0..self.body.len() {
                if self.is_free("unsigned", &self.body, at) || self.is_free("spare", &self.body, at) {
                    continue;
                }
                // Signatures by private keys take long: one bit of each byte there.
                for bit in if self.is_asymmetric() { at % 8..at % 8 + 1 } else { 0..8 } {
                    let mut other = self.clone();
                    other.body[at] ^= 1 << bit;
                    look(other);
                }
            }
        }

        /// The same with one bit of a header or of the query changed.
        fn for_other_heads(&self, look: &mut dyn FnMut(Self)) {
            let unsigned: Vec<_> = entries(&self.raw, "unsigned").iter().map(text).collect();
            for (index, (name, value)) in self.head.headers.iter().enumerate() {
                let is_signed = |at: &usize| !self.is_free("spare", value.as_bytes(), *at);
                for at in (0..value.len()).filter(is_signed).filter(|_| !unsigned.contains(name)) {
                    for bit in 0..8 {
                        let mut other = self.clone();
                        other.head.headers[index].1 = with_bit(value, at, bit);
                        look(other);
                    }
                }
            }
            for (at, bit) in (0..self.head.query.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut other = self.clone();
                other.head.query = with_bit(&self.head.query, at, bit);
                look(other);
            }
        }

        /// The same for who has another secret.
        fn for_other_secrets(&self, look: &mut dyn FnMut(Self)) {
            for name in ["secret", "publicKey", "aesKey", "token", "receiver", "appId", "topicArn"] {
                let secret = text(&self.config.member(name));
                let quoted = format!("{secret}\"");
                for at in (0..secret.len()).filter(|at| !self.is_free("spare", quoted.as_bytes(), *at)) {
                    for bit in if self.is_asymmetric() { at % 6..at % 6 + 1 } else { 0..7 } {
                        let mut other = self.clone();
                        let mut config = self.config.as_object().expect("an object").clone();
                        config.insert(name, Value::from(with_bit(&secret, at, bit)));
                        other.config = Value::from(config);
                        look(other);
                    }
                }
            }
        }
    }

    fn with_bit(text: &str, at: usize, bit: usize) -> String {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1 << bit;
        crate::field::latin1(&bytes)
    }

    #[test]
    fn what_senders_have_signed_is_let_in() {
        for vector in vectors() {
            assert_eq!(vector.admitted(), Ok(()), "{}", vector.name);
            let opened = String::from_utf8(vector.opened().expect("a body")).expect("UTF-8");
            match vector.raw.member("opened") {
                Value::Text(expected) => assert_eq!(opened, *expected, "{}", vector.name),
                _ => assert_eq!(opened.as_bytes(), vector.body, "{}", vector.name),
            }
        }
    }

    #[test]
    fn what_differs_in_a_bit_is_refused() {
        for vector in vectors() {
            let content = vector.content().map(|content| json::stringify(&content));
            let mut count = 0;
            vector.for_other_bodies(&mut |other| {
                let is_same =
                    || content.is_some() && other.content().map(|other| json::stringify(&other)) == content;
                assert!(
                    other.status() == 401 || is_same(),
                    "{}: {}",
                    vector.name,
                    String::from_utf8_lossy(&other.body)
                );
                count += 1;
            });
            vector.for_other_heads(&mut |other| {
                assert_eq!(other.status(), 401, "{}: {:?}", vector.name, other.head);
                count += 1;
            });
            vector.for_other_secrets(&mut |other| {
                let config = json::stringify_or_null(&other.config);
                // Hexadecimal digits have no case.
                let is_same = config.eq_ignore_ascii_case(&json::stringify_or_null(&vector.config));
                let is_hex = vector.name == "discord" && is_same;
                assert!([401, 503].contains(&other.status()) || is_hex, "{}: {config}", vector.name);
                count += 1;
            });
            assert!(count > 50, "{}: {count}", vector.name);
        }
    }

    #[test]
    fn a_delivery_is_old_after_five_minutes_where_it_has_a_time() {
        let mut timeless = BTreeSet::new();
        for vector in vectors() {
            let at = |seconds: f64| {
                let facts = Facts { now: vector.facts.now + seconds * 1000.0, ..vector.facts.clone() };
                Vector { facts, ..vector.clone() }.status()
            };
            let scheme = text(&vector.config.member("scheme"));
            let most = if scheme == "aws-sns" { 3600.0 } else { 300.0 };
            match at(most + 1.0) {
                200 => drop(timeless.insert(vector.name.clone())),
                status => assert_eq!((status, at(-most - 1.0)), (401, 401), "{}", vector.name),
            }
            assert_eq!((at(most - 1.0), at(1.0 - most)), (200, 200), "{}", vector.name);
        }
        let expected = [
            "alipay",
            "bitbucket",
            "dropbox",
            "gitea",
            "github",
            "gitlab token",
            "intercom by hmac",
            "jotform by token",
            "line",
            "meta by hmac",
            "microsoft graph by token",
            "shopify",
            "square",
            "telegram by token",
            "trello by hmac",
            "twilio form",
            "twilio json",
            "typeform by hmac",
            "woocommerce",
            "xero by hmac",
        ];
        assert_eq!(timeless, expected.into_iter().map(str::to_owned).collect());
    }

    #[test]
    fn every_scheme_has_a_vector() {
        let tested: BTreeSet<_> =
            vectors().iter().map(|vector| text(&vector.config.member("scheme"))).collect();
        let known: BTreeSet<_> = schemes::SCHEMES.iter().map(|scheme| scheme.name.to_owned()).collect();
        assert_eq!(tested, known);
    }

    #[test]
    fn deliveries_have_the_ids_that_senders_give_them() {
        for vector in vectors() {
            let body = vector.content().expect("a body");
            let found = delivery(&vector.config).and_then(|delivery| delivery.find(&vector.head, &body));
            assert_eq!(found.as_deref(), vector.raw.member("delivery").as_str(), "{}", vector.name);
        }
    }

    #[test]
    fn secrets_may_be_in_the_environment_and_let_nobody_in_when_they_are_not() {
        for vector in vectors().into_iter().filter(|vector| !vector.name.starts_with("aws")) {
            let mut config = vector.config.as_object().expect("an object").clone();
            let mut env = crate::expr::Object::new();
            for name in ["secret", "publicKey", "aesKey", "token", "apiV3Key"] {
                if let Some(value) = vector.config.member(name).as_str() {
                    env.insert(name, Value::from(value));
                    config.insert(name, Value::from(format!("{{{{$env.{name}}}}}")));
                }
            }
            let config = Value::from(config);
            let missing = Vector { config, ..vector.clone() };
            let facts = Facts { env: Arc::new(env), ..vector.facts.clone() };
            let known = Vector { facts, ..missing.clone() };
            assert_eq!(known.status(), 200, "{}", vector.name);
            if vector.config.member("secrets").is_undefined() {
                assert_eq!(missing.status(), 503, "{}", vector.name);
            }
        }
    }

    #[test]
    fn a_certificate_is_as_good_as_its_key() {
        let mut vector =
            vectors().into_iter().find(|vector| vector.name == "wechat-pay").expect("WeChat Pay");
        let pem = text(&vector.raw.member("certificate"));
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        for form in [pem.clone(), der, pem.replace('\n', "\\n")] {
            let mut config = vector.config.as_object().expect("an object").clone();
            config.insert("publicKey", Value::from(form));
            vector.config = Value::from(config);
            assert_eq!(vector.status(), 200);
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a list of cases")]
    fn what_cannot_be_used_is_a_fault_that_says_what_to_do() {
        let cases = [
            ("5", "`sidehook.signature` of its trigger has to be an object with a `scheme`"),
            ("{}", "`sidehook.signature.scheme` of its trigger is missing"),
            (
                r#"{"scheme":"git"}"#,
                "`sidehook.signature.scheme` of its trigger is not known to this version",
            ),
            (r#"{"scheme":"github"}"#, "`sidehook.signature.secret` of its trigger is missing"),
            (
                r#"{"scheme":"github","secret":""}"#,
                "`sidehook.signature.secret` of its trigger has to be a text",
            ),
            (
                r#"{"scheme":"github","secret":"a","url":"b"}"#,
                "`sidehook.signature.url` of its trigger is not known",
            ),
            (
                r#"{"scheme":"github","secret":"a","tolerance":5}"#,
                "`sidehook.signature.tolerance` of its trigger is not known",
            ),
            (
                r#"{"scheme":"github","secret":"a","secrets":["b"]}"#,
                "`sidehook.signature.secrets` of its trigger stands beside `secret`",
            ),
            (
                r#"{"scheme":"slack","secret":"a","tolerance":"8d"}"#,
                "`sidehook.signature.tolerance` of its trigger has",
            ),
            (r#"{"scheme":"square","secret":"a"}"#, "`sidehook.signature.url` of its trigger is missing"),
            (
                r#"{"scheme":"square","secret":"a","url":"example.com"}"#,
                "`sidehook.signature.url` of its trigger has to be the URL",
            ),
            (
                r#"{"scheme":"standard-webhooks","secret":"whsec_?"}"#,
                "`sidehook.signature.secret` of its trigger has to be base64",
            ),
            (
                r#"{"scheme":"discord","publicKey":"xyz"}"#,
                "`sidehook.signature.publicKey` of its trigger has to be hexadecimal digits",
            ),
            (
                r#"{"scheme":"sendgrid","publicKey":"AAAA"}"#,
                "`sidehook.signature.publicKey` of its trigger has to be a public",
            ),
            (
                r#"{"scheme":"wecom","secret":"a","aesKey":"short"}"#,
                "`sidehook.signature.aesKey` of its trigger has",
            ),
            (r#"{"scheme":"aws-sns"}"#, "`sidehook.signature.topicArn` of its trigger is missing"),
            (r#"{"scheme":"feishu"}"#, "`sidehook.signature` of its trigger has to have `secret`"),
            (r#"{"scheme":"token","secret":"a"}"#, "`sidehook.signature` of its trigger has to have one of"),
            (r#"{"scheme":"hmac","secret":"a"}"#, "`sidehook.signature.header` of its trigger is missing"),
            (
                r#"{"scheme":"hmac","secret":"a","header":"x","signed":["timestamp"]}"#,
                "`sidehook.signature.signed` of its trigger has to have `body`",
            ),
            (
                r#"{"scheme":"hmac","secret":"a","header":"x","signed":["body","timestamp"]}"#,
                "`sidehook.signature.signed` of its trigger has to have `timestamp` where",
            ),
            (
                r#"{"scheme":"hmac","secret":"a","header":"x","timestampHeader":"y"}"#,
                "`sidehook.signature.signed` of its trigger is missing",
            ),
            (
                r#"{"scheme":"hmac","secret":"a","header":"x","signed":["body","stamp"]}"#,
                "`sidehook.signature.signed` of its trigger has a word",
            ),
        ];
        for (config, expected) in cases {
            let fault = parse(&json::parse(config.as_bytes()).expect("JSON in a test")).expect_err("a fault");
            assert!(fault.text.starts_with(expected), "{config}: {}", fault.text);
            assert!(fault.text.ends_with(": nobody is let in") && fault.refusal.is_none(), "{}", fault.text);
        }
        assert!(parse(&Value::Null).expect("no check").is_none());
    }

    /// The settings in the table of `docs/senders.md`.
    fn documented() -> Vec<Value> {
        let file = File::new(env!("CARGO_MANIFEST_DIR")).join("docs/senders.md");
        let file = fs::read_to_string(file).expect("the document");
        let rows = file.lines().filter_map(|line| line.split_once("| `{\"signature\"")?.1.split_once("` |"));
        let rows: Vec<_> = rows.map(|(row, _)| format!("{{\"signature\"{row}")).collect();
        rows.iter()
            .map(|row| json::parse(row.as_bytes()).unwrap_or_else(|err| panic!("{row}: {err}")))
            .collect()
    }

    /// The members of a configuration that are no secrets, as one text.
    fn open_members(config: &Value) -> String {
        const SECRETS: [&str; 5] = ["secret", "publicKey", "aesKey", "token", "apiV3Key"];
        let members = config.as_object().expect("an object").iter();
        let mut members: Vec<_> = members.map(|(name, value)| (name.to_string(), value.clone())).collect();
        members.sort_by(|one, other| one.0.cmp(&other.0));
        let members = members.into_iter().map(|(name, value)| match SECRETS.contains(&&*name) {
            true => format!("{name}: a secret"),
            false => format!("{name}: {}", json::stringify_or_null(&value)),
        });
        members.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_settings_of_the_document_let_their_senders_in() {
        let documented = documented();
        assert!(documented.len() > 30, "{} rows", documented.len());
        for sidehook in documented {
            let config = sidehook.member("signature");
            let trigger = Trigger::parse(&Value::object([("sidehook", sidehook)]));
            assert_eq!(trigger.faults().next(), None, "{config:?}");
            let is_its = |vector: &Vector| open_members(&vector.config) == open_members(&config);
            let vectors: Vec<_> = vectors().into_iter().filter(is_its).collect();
            assert!(!vectors.is_empty(), "no vector for {}", open_members(&config));
            for vector in vectors {
                let mut env = crate::expr::Object::new();
                for (name, value) in config.as_object().expect("an object").iter() {
                    let variable = value.as_str().and_then(|text| text.strip_prefix("{{$env."));
                    if let Some(variable) = variable.and_then(|rest| rest.strip_suffix("}}")) {
                        env.insert(variable, vector.config.member(name));
                    }
                }
                let facts = Facts { env: Arc::new(env), ..vector.facts.clone() };
                let vector = Vector { config: config.clone(), facts, ..vector };
                assert_eq!(vector.status(), 200, "{}", vector.name);
            }
        }
    }

    #[test]
    fn certificates_come_from_amazon_only() {
        let is_amazon = |url: &str| sns::amazon_url(url).is_some();
        for url in [
            "https://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/a.pem",
            "https://sns.us-gov-west-1.amazonaws.com/",
        ] {
            assert!(is_amazon(url), "{url}");
        }
        for url in [
            "http://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com:8443/a.pem",
            "https://user@sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com.example.com/a.pem",
            "https://sns.a.b.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://evil.com/sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com@evil.com/a.pem",
            "https://s3.us-east-1.amazonaws.com/a.pem",
            "https://evilsns.us-east-1.amazonaws.com/a.pem",
            "sns.us-east-1.amazonaws.com",
        ] {
            assert!(!is_amazon(url), "{url}");
        }
    }

    #[test]
    fn keys_and_signatures_are_not_printed() {
        for vector in vectors() {
            let printed = format!("{:?}", vector.check().expect("a check"));
            let secret = text(&vector.config.member("secret"));
            assert!(secret.is_empty() || !printed.contains(&secret), "{}", vector.name);
        }
    }
}
