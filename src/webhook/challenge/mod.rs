//! `challenge`: how senders find out, before they send anything, that somebody wants it. Such a request is answered at
//! once; no workflow is run for it and nothing is recorded. The kinds are the one list here.

mod answer;
mod body;
mod encrypted;
mod query;
mod subscription;

use std::fmt::Debug;

use super::admission::{Fault, Members, unusable};
use super::document::Wanted;
use super::head::{Facts, Head};
use super::refusal::Refusal;
use super::secret::Secret;
use crate::expr::{Object, Value, json};

const PLACE: &str = "sidehook.challenge";

/// The longest text that is repeated to a sender, in bytes: Microsoft's are a few hundred.
const LONGEST_ECHO: usize = 4096;

/// A row of the list.
struct Kind {
    /// Its name in configurations.
    name: &'static str,
    /// The members of its configuration beside `type`.
    members: &'static [&'static str],
    parse: fn(&Members<'_>) -> Result<Box<dyn Greet>, Fault>,
}

/// In the order of their names.
static KINDS: [Kind; 16] = [
    Kind { name: "aws-sns", members: subscription::MEMBERS, parse: subscription::parse },
    Kind { name: "dingtalk-events", members: encrypted::ENVELOPE, parse: encrypted::parse_dingtalk },
    Kind { name: "discord", members: &[], parse: body::parse_discord },
    Kind { name: "dropbox", members: &[], parse: query::parse_dropbox },
    Kind { name: "feishu", members: encrypted::FEISHU, parse: encrypted::parse_feishu },
    Kind { name: "hub", members: query::TOKENS, parse: query::parse_hub },
    Kind { name: "lark", members: encrypted::FEISHU, parse: encrypted::parse_feishu },
    Kind { name: "mailchimp", members: &[], parse: query::parse_mailchimp },
    Kind { name: "meta", members: query::TOKENS, parse: query::parse_hub },
    Kind { name: "microsoft-graph", members: &[], parse: query::parse_graph },
    Kind { name: "slack", members: &[], parse: body::parse_slack },
    Kind { name: "trello", members: &[], parse: query::parse_trello },
    Kind { name: "twitch", members: &[], parse: body::parse_twitch },
    Kind { name: "wecom", members: encrypted::ENVELOPE, parse: encrypted::parse_wecom },
    Kind { name: "xero", members: &[], parse: body::parse_xero },
    Kind { name: "zoom", members: body::SECRETS, parse: body::parse_zoom },
];

/// The challenge of a trigger.
#[derive(Debug)]
pub struct Challenge(Box<dyn Greet>);

/// What is answered to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// A text that the sender has sent. It is plain text, whatever it says.
    Echo(String),
    /// JSON.
    Json(String),
    /// Nothing but a status: 200 or 204.
    Empty(u16),
}

/// What came of a look at a request: none for one that is no challenge, a greeting, or a refusal.
type Look = Option<Result<Greeting, Refusal>>;

/// Knows the challenges of one sender. It does nothing else: no clock, no database.
trait Greet: Debug + Send + Sync {
    /// By what comes before the body. A request that is taken for a challenge here may have any method.
    fn by_head(&self, _head: &Head, _facts: &Facts) -> Look {
        None
    }

    /// By a body that nobody has looked at, for senders who do not sign their challenges.
    fn by_unsigned(&self, _head: &Head, _body: &[u8], _facts: &Facts) -> Look {
        None
    }

    /// By a body whose signature is right where one is asked for, and decrypted.
    fn by_body(&self, _head: &Head, _body: &[u8], _facts: &Facts) -> Look {
        None
    }

    /// The files that have to be fetched before a challenge in a body is answered.
    fn documents(&self, _head: &Head, _body: &[u8], _facts: &Facts) -> Vec<Wanted> {
        Vec::new()
    }

    /// What its sender has to hear of every event that was taken, where no other answer counts.
    fn acknowledgement(&self, _facts: &Facts) -> Look {
        None
    }

    /// The secrets that it goes by.
    fn secrets(&self) -> Vec<&Secret> {
        Vec::new()
    }
}

impl Challenge {
    /// Reads `"slack"`, or `{type: "meta", token: …}`. What a kind needs to know is in the object, or in
    /// `sidehook.signature` where that has the scheme of the same name.
    pub fn parse(config: &Value, signature: &Value) -> Result<Option<Self>, Fault> {
        if config.is_nullish() {
            return Ok(None);
        }
        let name = if config.as_object().is_some() { config.member("type") } else { config.clone() };
        let kind = KINDS.iter().find(|kind| name.as_str() == Some(kind.name)).ok_or_else(unknown)?;
        let is_own =
            config.as_object().is_some_and(|object| object.iter().any(|(name, _)| &**name != "type"));
        let greet = if is_own || kind.members.is_empty() {
            let own = match config.as_object() {
                Some(_) => config.clone(),
                None => Value::object([("type", config.clone())]),
            };
            (kind.parse)(&Members::of(PLACE, &own, &[&["type"], kind.members].concat())?)
        } else if signature.member("scheme").as_str() == Some(kind.name) {
            let shared = shared(signature, kind.members);
            (kind.parse)(&Members::of("sidehook.signature", &shared, kind.members)?)
        } else {
            let members = kind.members.join(", ");
            let what =
                format!("has to be an object with `type` and what the sender is known by, of {members}");
            Err(unusable(PLACE, &what))
        };
        greet.map(|greet| Some(Self(greet)))
    }

    /// Answers a challenge that comes without a body.
    pub fn by_head(&self, head: &Head, facts: &Facts) -> Result<Option<Greeting>, Refusal> {
        self.0.by_head(head, facts).map(bounded).transpose()
    }

    /// Answers a challenge in a body that nobody has looked at.
    pub fn by_unsigned(&self, head: &Head, body: &[u8], facts: &Facts) -> Result<Option<Greeting>, Refusal> {
        self.0.by_unsigned(head, body, facts).map(bounded).transpose()
    }

    /// Answers a challenge in a body that the checks have let in; `Err` of files where those are needed first.
    pub fn by_body(
        &self,
        head: &Head,
        body: &[u8],
        facts: &Facts,
    ) -> Result<Result<Option<Greeting>, Refusal>, Vec<Wanted>> {
        let mut wanted = self.0.documents(head, body, facts);
        wanted.retain(|wanted| !facts.documents.satisfy(wanted));
        match wanted.is_empty() {
            true => Ok(self.0.by_body(head, body, facts).map(bounded).transpose()),
            false => Err(wanted),
        }
    }

    /// What the sender has to hear of every event that was taken, in place of a successful answer.
    pub fn acknowledgement(&self, facts: &Facts) -> Result<Option<Greeting>, Refusal> {
        self.0.acknowledgement(facts).transpose()
    }

    /// The secrets that it goes by, so that it can be said which of them are missing.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.0.secrets()
    }
}

fn unknown() -> Fault {
    let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    unusable(PLACE, &format!("is not known to this version, which knows {}", known.join(", ")))
}

fn shared(signature: &Value, members: &[&str]) -> Value {
    let object = signature.as_object().into_iter().flat_map(Object::iter);
    let shared = object.filter(|(name, _)| members.contains(&&***name));
    Value::object(shared.map(|(name, value)| (name.clone(), value.clone())))
}

fn bounded(look: Result<Greeting, Refusal>) -> Result<Greeting, Refusal> {
    match look? {
        Greeting::Echo(text) | Greeting::Json(text) if text.len() > LONGEST_ECHO => {
            Err(Refusal::bad_request("The challenge is too long."))
        }
        greeting => Ok(greeting),
    }
}

/// JSON of texts.
fn json_of<const N: usize>(members: [(&'static str, &str); N]) -> Greeting {
    Greeting::Json(json::stringify_or_null(&Value::object(
        members.map(|(name, text)| (name, Value::from(text))),
    )))
}

/// 403, for who does not know the token of a challenge.
fn unwelcome() -> Refusal {
    Refusal::new(403, "The challenge does not come from the sender of this webhook.")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::webhook::admission::Stop;
    use crate::webhook::admission::signature::Unit;
    use crate::webhook::admission::signature::envelope::Envelope;
    use crate::webhook::intake::Intake;
    use crate::webhook::reply::Reply;
    use crate::webhook::trigger::Trigger;

    const NOW: f64 = 1_764_201_600_000.0;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).unwrap_or_else(|err| panic!("{text}: {err}"))
    }

    /// What a request to a trigger with some settings is answered without a run: status and body, or none.
    fn answered(
        sidehook: &str,
        method: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<(u16, String)> {
        let trigger = Trigger::parse(&value(&format!(r#"{{"sidehook":{sidehook}}}"#)));
        assert_eq!(trigger.faults().next(), None, "{sidehook}");
        let headers = headers.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let head = Head { method: method.to_owned(), query: query.to_owned(), headers, ..Head::default() };
        let facts = Facts { now: NOW, ..Facts::default() };
        let intake = Intake { trigger: &trigger, head: &head, facts: &facts, body_limit: 1 << 20 };
        match answer(intake, body.as_bytes()) {
            Ok(greeting) => greeting.map(|greeting| {
                let reply = Reply::from(greeting);
                let text = reply.body.map(|body| String::from_utf8(body.bytes).expect("UTF-8"));
                (reply.status, text.unwrap_or_default())
            }),
            Err(Stop::Refused(refusal)) => Some((refusal.status, String::new())),
            Err(Stop::Needs { .. }) => panic!("it needs files"),
        }
    }

    fn answer(intake: Intake<'_>, body: &[u8]) -> Result<Option<Greeting>, Stop> {
        if let Some(greeting) = intake.greet()? {
            return Ok(Some(greeting));
        }
        intake.admit_head(0)?;
        if let Some(greeting) = intake.answer(body, None)? {
            return Ok(Some(greeting));
        }
        let admitted = intake.admit_body(0, body)?;
        intake.answer(body, Some(&admitted))
    }

    fn greeted(sidehook: &str, method: &str, query: &str, body: &str) -> Option<(u16, String)> {
        answered(sidehook, method, query, &[], body)
    }

    #[test]
    fn challenges_in_the_query_are_answered_though_the_trigger_takes_post_only() {
        let text = |text: &str| Some((200, text.to_owned()));
        let dropbox = r#"{"challenge":"dropbox"}"#;
        assert_eq!(greeted(dropbox, "GET", "challenge=a%3Cb%3E", ""), text("a<b>"));
        assert_eq!(greeted(dropbox, "GET", "other=1", ""), Some((405, String::new())));
        assert_eq!(greeted(dropbox, "GET", "challenge=1&challenge=2", ""), Some((405, String::new())));
        assert_eq!(greeted(dropbox, "POST", "challenge=a", "{}"), None);
        let graph = r#"{"challenge":"microsoft-graph"}"#;
        assert_eq!(greeted(graph, "POST", "validationToken=Validation%3A+a", ""), text("Validation: a"));
        assert_eq!(greeted(graph, "POST", "", "{}"), None);
        let meta = r#"{"challenge":{"type":"meta","token":"t"}}"#;
        let query =
            |token: &str| format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
        assert_eq!(greeted(meta, "GET", &query("t"), ""), text("1158201444"));
        assert_eq!(greeted(meta, "GET", &query("wrong"), ""), Some((403, String::new())));
        assert_eq!(
            greeted(meta, "GET", "hub.challenge=1&hub.verify_token=t", ""),
            Some((403, String::new()))
        );
        assert_eq!(greeted(meta, "GET", "", ""), Some((405, String::new())));
        assert_eq!(greeted(r#"{"challenge":"mailchimp"}"#, "GET", "", ""), text(""));
        assert_eq!(greeted(r#"{"challenge":"trello"}"#, "HEAD", "", ""), text(""));
        assert_eq!(greeted(r#"{"challenge":"trello"}"#, "GET", "", ""), Some((405, String::new())));
        assert_eq!(greeted("{}", "GET", "challenge=a", ""), Some((405, String::new())));
    }

    #[test]
    fn challenges_in_bodies_are_answered() {
        let slack = r#"{"challenge":"slack"}"#;
        let body = r#"{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
        let echo = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P".to_owned();
        assert_eq!(greeted(slack, "POST", "", body), Some((200, echo)));
        assert_eq!(greeted(slack, "POST", "", r#"{"type":"event_callback","challenge":"a"}"#), None);
        let twitch = [("twitch-eventsub-message-type", "webhook_callback_verification")];
        let body = r#"{"challenge":"pogchamp","subscription":{}}"#;
        let answer = answered(r#"{"challenge":"twitch"}"#, "POST", "", &twitch, body);
        assert_eq!(answer, Some((200, "pogchamp".to_owned())));
        assert_eq!(greeted(r#"{"challenge":"twitch"}"#, "POST", "", body), None);
        let discord = r#"{"challenge":"discord"}"#;
        assert_eq!(greeted(discord, "POST", "", r#"{"type":1}"#), Some((200, r#"{"type":1}"#.to_owned())));
        assert_eq!(greeted(discord, "POST", "", r#"{"type":0}"#), Some((204, String::new())));
        assert_eq!(greeted(discord, "POST", "", r#"{"type":1,"event":{}}"#), None);
        assert_eq!(
            greeted(r#"{"challenge":"xero"}"#, "POST", "", r#"{"events":[]}"#),
            Some((200, String::new()))
        );
        assert_eq!(greeted(r#"{"challenge":"xero"}"#, "POST", "", r#"{"events":[{}]}"#), None);
        let long = format!(r#"{{"type":"url_verification","challenge":"{}"}}"#, "a".repeat(LONGEST_ECHO + 1));
        assert_eq!(greeted(slack, "POST", "", &long), Some((400, String::new())));
    }

    /// The digest is that of Python's `hmac`.
    #[test]
    fn zoom_is_given_a_signature_over_tokens_only() {
        let zoom = r#"{"challenge":{"type":"zoom","secret":"s"}}"#;
        let ask = |token: &str| {
            let body =
                format!(r#"{{"event":"endpoint.url_validation","payload":{{"plainToken":"{token}"}}}}"#);
            greeted(zoom, "POST", "", &body)
        };
        let made = "93aa52bcb22637104b103fa602ee132a2459036070fc4ef715f04d8ce8a99166";
        let expected = format!(r#"{{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"{made}"}}"#);
        assert_eq!(ask("qgg8vlvZRS6UYooatFL8Aw"), Some((200, expected)));
        for token in ["v0:1764201600:{}", "a b", &"a".repeat(201)] {
            assert_eq!(ask(token), Some((400, String::new())), "{token}");
        }
    }

    #[test]
    fn what_is_signed_is_answered_when_its_signature_is_right() {
        let slack = r#"{"signature":{"scheme":"slack","secret":"s"},"challenge":"slack"}"#;
        let body = r#"{"challenge":"a","type":"url_verification"}"#;
        assert_eq!(greeted(slack, "POST", "", body), Some((401, String::new())));
        let xero = r#"{"signature":{"scheme":"hmac","secret":"s","header":"x","encoding":"base64"},"challenge":"xero"}"#;
        assert_eq!(
            answered(xero, "POST", "", &[("x", "wrong")], r#"{"events":[]}"#),
            Some((401, String::new()))
        );
        let right = "81aQBZSnF3PR2xA0bcX2xlQ2h5e3HOPLHtIQY2wBn7g=";
        assert_eq!(
            answered(xero, "POST", "", &[("x", right)], r#"{"events":[]}"#),
            Some((200, String::new()))
        );
    }

    #[test]
    fn feishu_is_known_by_its_token_or_by_its_key() {
        let plain = r#"{"challenge":"ajls384k","token":"t","type":"url_verification"}"#;
        let by_token = r#"{"challenge":{"type":"feishu","token":"t"}}"#;
        let echo = Some((200, r#"{"challenge":"ajls384k"}"#.to_owned()));
        assert_eq!(greeted(by_token, "POST", "", plain), echo);
        assert_eq!(greeted(by_token, "POST", "", &plain.replace(r#""t""#, r#""u""#)), None);
        let signed = r#"{"signature":{"scheme":"feishu","secret":"k","token":"t"},"challenge":"feishu"}"#;
        assert_eq!(greeted(signed, "POST", "", plain), echo);
        assert_eq!(
            greeted(signed, "POST", "", r#"{"challenge":"a","type":"url_verification"}"#),
            Some((401, String::new()))
        );
    }

    /// The vectors of `tests/signatures/` by name.
    fn vector(name: &str) -> Value {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures/vectors.json");
        let file = value(&fs::read_to_string(file).expect("the vectors"));
        let vectors = file.member("vectors");
        let mut vectors = vectors.as_array().expect("a list").items().iter();
        vectors.find(|vector| vector.member("name").as_str() == Some(name)).expect("the vector").clone()
    }

    fn facts_of(vector: &Value) -> Facts {
        Facts { now: vector.member("now").as_number().expect("a time"), ..Facts::default() }
    }

    #[test]
    fn wecom_hears_what_its_text_says() {
        let vector = vector("wecom");
        let challenge = Challenge::parse(&Value::from("wecom"), &vector.member("signature"));
        let challenge = challenge.expect("a usable configuration").expect("a challenge");
        let request = vector.member("request");
        let body = request.member("body").as_str().expect("a body").to_owned();
        let encrypted = body.split("CDATA[").nth(2).and_then(|rest| rest.split("]]").next()).expect("a text");
        let encoded = encrypted.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let query = format!("{}&echostr={encoded}", request.member("query").as_str().expect("a query"));
        let head = Head { method: "GET".to_owned(), query: query.clone(), ..Head::default() };
        let opened = vector.member("opened").as_str().expect("a text").to_owned();
        assert_eq!(challenge.by_head(&head, &facts_of(&vector)), Ok(Some(Greeting::Echo(opened))));
        let head = Head { query: query.replace("nonce=1", "nonce=2"), ..head };
        assert_eq!(challenge.by_head(&head, &facts_of(&vector)).map_err(|refusal| refusal.status), Err(401));
    }

    /// What DingTalk would read in an answer.
    fn opened_by_dingtalk(answer: &str, vector: &Value) -> Result<Vec<u8>, Refusal> {
        let answer = value(answer);
        let part = |name: &str| answer.member(name).as_str().expect("a text").to_owned();
        let (signature, time, nonce) = (part("msg_signature"), part("timeStamp"), part("nonce"));
        let query = format!("msg_signature={signature}&timestamp={time}&nonce={nonce}");
        let config = vector.member("signature");
        let known = Members::of("x", &config, &["scheme", "secret", "aesKey", "receiver"]).expect("members");
        let envelope = Envelope::of_members(&known, Unit::Milliseconds).expect("an envelope");
        let head = Head { method: "POST".to_owned(), query, ..Head::default() };
        envelope.open_text(&head, &part("encrypt"), &facts_of(vector))
    }

    #[test]
    fn dingtalk_hears_an_encrypted_success() {
        let vector = vector("dingtalk events");
        let challenge = Challenge::parse(&Value::from("dingtalk-events"), &vector.member("signature"));
        let challenge = challenge.expect("a usable configuration").expect("a challenge");
        let (request, facts) = (vector.member("request"), facts_of(&vector));
        let body = request.member("body").as_str().expect("a body").to_owned();
        let query = request.member("query").as_str().expect("a query").to_owned();
        let head = Head { method: "POST".to_owned(), query, ..Head::default() };
        let greeting = challenge.by_unsigned(&head, body.as_bytes(), &facts).expect("an answer");
        let Some(Greeting::Json(answer)) = greeting else { panic!("{greeting:?}") };
        assert_eq!(opened_by_dingtalk(&answer, &vector), Ok(b"success".to_vec()));
    }

    #[test]
    fn dingtalk_hears_an_encrypted_success_of_every_event_that_was_taken() {
        let vector = vector("dingtalk events");
        let signature = json::stringify(&vector.member("signature")).expect("JSON");
        let sidehook = format!(r#"{{"signature":{signature},"challenge":"dingtalk-events"}}"#);
        let trigger = Trigger::parse(&value(&format!(r#"{{"sidehook":{sidehook}}}"#)));
        let challenge = trigger.challenge.expect("a challenge");
        let sealed = || challenge.acknowledgement(&facts_of(&vector)).expect("it can be sealed");
        let reply = Reply::of_status(true).of_duplicate(7).acknowledging(sealed());
        assert_eq!(reply.status, 200);
        assert!(reply.headers.iter().any(|(name, value)| name == "x-sidehook-duplicate" && value == "7"));
        let answer = String::from_utf8(reply.body.expect("a body").bytes).expect("UTF-8");
        assert_eq!(opened_by_dingtalk(&answer, &vector), Ok(b"success".to_vec()));
        // What was not taken is sent again.
        assert_eq!(Reply::timeout().acknowledging(sealed()), Reply::timeout());
    }

    #[test]
    fn a_subscription_is_confirmed_once_its_url_was_fetched() {
        use std::time::Duration;

        use url::Url;

        use crate::webhook::document::Document;

        for version in ["1", "2"] {
            let vector = vector(&format!("aws-sns subscription confirmation, version {version}"));
            let challenge = Challenge::parse(&Value::from("aws-sns"), &vector.member("signature"));
            let challenge = challenge.expect("a usable configuration").expect("a challenge");
            let body = vector.member("request").member("body").as_str().expect("a body").to_owned();
            let (head, mut facts) = (Head::default(), facts_of(&vector));
            let document =
                |text: &str| Document { bytes: text.as_bytes().to_vec().into(), age: Duration::ZERO };
            let wanted = challenge.by_body(&head, body.as_bytes(), &facts).expect_err("a certificate");
            let documents = vector.member("documents");
            let (url, certificate) = documents.as_object().expect("files").iter().next().expect("one");
            assert_eq!(wanted[0].url.as_str(), &**url);
            let certificate = certificate.as_str().expect("PEM");
            facts.documents.insert(Url::parse(url).expect("a URL"), document(certificate));
            let forged = body.replace("22b80b92", "22b80b93");
            let refused = challenge.by_body(&head, forged.as_bytes(), &facts).expect("no more files");
            assert_eq!(refused.map_err(|refusal| refusal.status), Err(401));
            let wanted = challenge.by_body(&head, body.as_bytes(), &facts).expect_err("the subscription");
            assert_eq!(wanted[0].url.query_pairs().next().expect("a query").1, "ConfirmSubscription");
            facts.documents.insert(wanted[0].url.clone(), document("<ok/>"));
            let greeting = challenge.by_body(&head, body.as_bytes(), &facts).expect("no more files");
            assert_eq!(greeting, Ok(Some(Greeting::Empty(200))));
        }
    }

    #[test]
    fn what_cannot_be_used_is_a_fault() {
        let fault = |challenge: &str, signature: &str| {
            Challenge::parse(&value(challenge), &value(signature)).err().map(|fault| fault.text)
        };
        for (challenge, start) in [
            ("5", "`sidehook.challenge` of its trigger is not known to this version"),
            (r#""hello""#, "`sidehook.challenge` of its trigger is not known to this version"),
            (r#"{"type":"slack","token":"t"}"#, "`sidehook.challenge.token` of its trigger is not known"),
            (r#""meta""#, "`sidehook.challenge` of its trigger has to be an object with `type` and"),
            (r#"{"type":"meta"}"#, "`sidehook.challenge` of its trigger has to be an object"),
            (r#"{"type":"meta","token":""}"#, "`sidehook.challenge.token` of its trigger has to be a text"),
            (r#"{"type":"wecom","secret":"a"}"#, "`sidehook.challenge.aesKey` of its trigger is missing"),
        ] {
            let fault = fault(challenge, "null").expect(challenge);
            assert!(fault.starts_with(start), "{challenge}: {fault}");
        }
        assert_eq!(fault("null", "null"), None);
        assert_eq!(fault(r#""zoom""#, r#"{"scheme":"zoom","secret":"s","tolerance":"5m"}"#), None);
        assert!(fault(r#""zoom""#, r#"{"scheme":"github","secret":"s"}"#).is_some());
    }

    #[test]
    fn what_is_repeated_is_no_page() {
        let reply = Reply::from(Greeting::Echo("<script>alert(1)</script>".to_owned()));
        assert_eq!(reply.body.expect("a body").content_type, "text/plain; charset=utf-8");
        assert!(reply.headers.contains(&("X-Content-Type-Options".to_owned(), "nosniff".to_owned())));
    }
}
