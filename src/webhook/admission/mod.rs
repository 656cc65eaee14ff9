//! Who is let in: the one list of checks, and what a trigger's configuration makes of it.
//!
//! A check that is added is a file and a row here. Its key is then known to the trigger and in its place in the
//! order of refusals, and what is wrong with its configuration becomes a finding of `check`.

mod allowlist;
mod basic;
mod bearer;
mod body_limit;
mod check;
mod jwt;
mod members;
mod method;
mod rate;
pub mod signature;
mod token;

pub use self::check::{Admit, Check, Credential, Fault, Key, Stage};
pub use self::members::{Members, unusable};
pub use self::token::is_one_of;
use super::document::Wanted;
use super::head::{Facts, Head};
use super::refusal::Refusal;
use super::secret::Secret;
use crate::expr::Value;

/// All checks, in the order in which requests are refused. Unknown webhooks (404) are refused before, bodies that
/// are too long (413) between the two stages, and bodies that cannot be read (415, 400) after all of them.
pub const CHECKS: [Check; 7] = [
    method::CHECK,
    allowlist::CHECK,
    rate::CHECK,
    basic::CHECK,
    token::CHECK,
    body_limit::CHECK,
    signature::CHECK,
];

/// The checks that go by who calls and how often.
const OF_CALLERS: [Key; 2] = [Key::Extension("ipAllowlist"), Key::Extension("rateLimit")];

/// The checks that go by what a sender shows, by the time, or by who calls: a recorded request has passed them, and
/// could not pass them again.
const OF_SENDERS: [Key; 5] = [
    Key::Extension("ipAllowlist"),
    Key::Extension("rateLimit"),
    Key::Trigger("basicAuthentication"),
    Key::Extension("auth"),
    Key::Extension("signature"),
];

/// The members of `sidehook` that belong to checks.
pub fn extensions() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().filter_map(|check| match check.key {
        Key::Extension(name) => Some(name),
        Key::Nowhere | Key::Trigger(_) => None,
    })
}

/// The checks of one trigger.
#[derive(Debug, Default)]
pub struct Admission {
    steps: Vec<Step>,
    /// What is wrong with their configuration.
    pub faults: Vec<Fault>,
}

/// Why the checks of a stage have not all been asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// The request is turned away.
    Refused(Refusal),
    /// A check needs files. With them among the facts the checks go on `from` there.
    Needs { wanted: Vec<Wanted>, from: usize },
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

/// A check that is made.
#[derive(Debug)]
struct Step {
    key: Key,
    at: Stage,
    check: Box<dyn Admit>,
}

impl Admission {
    /// Reads what the checks need of `workflows.config`.
    pub fn parse(config: &Value) -> Self {
        Self::of(&CHECKS, config)
    }

    fn of(checks: &[Check], config: &Value) -> Self {
        let sidehook = config.member("sidehook");
        let mut admission = Self::default();
        for check in checks {
            let configured = match check.key {
                Key::Nowhere => Value::Undefined,
                Key::Trigger(name) => config.member(name),
                Key::Extension(name) => sidehook.member(name),
            };
            match (check.parse)(&configured) {
                Ok(made) => admission.steps.extend(made.map(|made| Step::of(check, made))),
                Err(fault) => {
                    if let Some(refusal) = fault.refusal.clone() {
                        admission.steps.push(Step::of(check, Box::new(Closed(refusal))));
                    }
                    admission.faults.push(fault);
                }
            }
        }
        admission
    }

    /// Asks the checks of a stage one after the other, those before `from` left out, which have been asked.
    pub fn admit(
        &self,
        stage: Stage,
        from: usize,
        head: &Head,
        body: Option<&[u8]>,
        facts: &Facts,
    ) -> Result<(), Stop> {
        let steps = self.steps.iter().enumerate().skip(from).filter(|(_, step)| step.at == stage);
        let steps = steps.filter(|(_, step)| !facts.is_replay || !OF_SENDERS.contains(&step.key));
        for (at, Step { check, .. }) in steps {
            let mut wanted = check.documents(head, body, facts);
            wanted.retain(|wanted| !facts.documents.satisfy(wanted));
            if !wanted.is_empty() {
                return Err(Stop::Needs { wanted, from: at });
            }
            check.admit(head, body, facts)?;
        }
        Ok(())
    }

    /// Asks those checks only that go by who calls and how often, not by what the caller knows.
    pub fn admit_caller(&self, head: &Head, facts: &Facts) -> Result<(), Refusal> {
        if facts.is_replay {
            return Ok(());
        }
        let mut steps = self.steps.iter().filter(|step| OF_CALLERS.contains(&step.key));
        steps.try_for_each(|step| step.check.admit(head, None, facts))
    }

    /// What a body comes to that was sent encrypted; none where it stays as it is.
    pub fn open(&self, head: &Head, body: &[u8], facts: &Facts) -> Result<Option<Vec<u8>>, Refusal> {
        let mut opened = None;
        for Step { check, .. } in &self.steps {
            let sent = opened.as_deref().unwrap_or(body);
            opened = check.open(head, sent, facts)?.or(opened);
        }
        Ok(opened)
    }

    /// The longest body that all checks let in, in bytes, where one sets a limit.
    pub fn body_limit(&self) -> Option<usize> {
        self.steps.iter().filter_map(|step| step.check.body_limit()).min()
    }

    /// Where senders put what lets them in.
    pub fn credentials(&self) -> impl Iterator<Item = Credential<'_>> {
        self.steps.iter().flat_map(|step| step.check.credentials())
    }

    /// The secrets that the checks go by.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.steps.iter().flat_map(|step| step.check.secrets())
    }

    /// Whether a check is made whose configuration stands there.
    pub fn asks_for(&self, key: Key) -> bool {
        self.steps.iter().any(|step| step.key == key)
    }
}

impl Step {
    fn of(check: &Check, made: Box<dyn Admit>) -> Self {
        Self { key: check.key, at: check.at, check: made }
    }
}

/// A check that cannot be made.
#[derive(Debug)]
struct Closed(Refusal);

impl Admit for Closed {
    fn admit(&self, _: &Head, _: Option<&[u8]>, _: &Facts) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::*;
    use crate::expr::json;
    use crate::webhook::document::Document;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    /// Refuses what does not have the configured length, as a signature would.
    #[derive(Debug)]
    struct Length(f64);

    impl Admit for Length {
        fn admit(&self, _: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
            let fits = body.is_some_and(|body| body.len() as f64 == self.0) && facts.now > 0.0;
            if fits { Ok(()) } else { Err(Refusal::unauthorized()) }
        }
    }

    const LENGTH: Check = Check {
        key: Key::Extension("length"),
        at: Stage::Body,
        parse: |config| match config {
            Value::Undefined => Ok(None),
            Value::Number(length) => Ok(Some(Box::new(Length(*length)))),
            _ => Err(Fault::unusable("`length` has to be a number")),
        },
    };

    fn status_of(stop: Stop) -> u16 {
        match stop {
            Stop::Refused(refusal) => refusal.status,
            Stop::Needs { .. } => panic!("it needs files"),
        }
    }

    /// Wants the file at the URL that a header names, and lets in who sends what stands there; for others it wants a
    /// copy that is no older than a minute.
    #[derive(Debug)]
    struct Notice;

    impl Notice {
        fn is_right(head: &Head, facts: &Facts) -> Option<bool> {
            let url = Url::parse(head.header("notice")?).ok()?;
            Some(facts.documents.get(&url)? == head.method.as_bytes())
        }
    }

    impl Admit for Notice {
        fn admit(&self, head: &Head, _: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
            if Self::is_right(head, facts) == Some(true) { Ok(()) } else { Err(Refusal::unauthorized()) }
        }

        fn documents(&self, head: &Head, _: Option<&[u8]>, facts: &Facts) -> Vec<Wanted> {
            let Some(Ok(url)) = head.header("notice").map(Url::parse) else { return Vec::new() };
            let wanted = Wanted::new(url);
            match Self::is_right(head, facts) {
                Some(false) => vec![Wanted { max_age: Duration::from_secs(60), ..wanted }],
                _ => vec![wanted],
            }
        }
    }

    const NOTICE: Check =
        Check { key: Key::Extension("notice"), at: Stage::Head, parse: |_| Ok(Some(Box::new(Notice))) };

    #[test]
    fn a_check_decides_once_the_files_are_there_that_it_needs() {
        let admission = Admission::of(&[method::CHECK, NOTICE], &Value::Null);
        let url = Url::parse("https://keys.example/").expect("a URL");
        let head = |method: &str| Head {
            method: method.to_owned(),
            headers: vec![("notice".to_owned(), url.to_string())],
            ..Head::default()
        };
        let mut facts = Facts::default();
        let refused = admission.admit(Stage::Head, 0, &head("PUT"), None, &facts);
        assert_eq!(refused.map_err(status_of), Err(405), "files are fetched for those only who come so far");
        let needs = |max_age| Stop::Needs { wanted: vec![Wanted { url: url.clone(), max_age }], from: 1 };
        let admit = |facts: &Facts, from| admission.admit(Stage::Head, from, &head("POST"), None, facts);
        assert_eq!(admit(&facts, 0), Err(needs(Duration::from_secs(600))));
        let document =
            |text: &'static str, age| Document { bytes: text.into(), age: Duration::from_secs(age) };
        facts.documents.insert(url.clone(), document("POST", 599));
        assert_eq!(admit(&facts, 1), Ok(()));
        facts.documents.insert(url.clone(), document("other", 61));
        assert_eq!(admit(&facts, 1), Err(needs(Duration::from_secs(60))), "it wants a newer copy");
        facts.documents.insert(url.clone(), document("other", 0));
        assert_eq!(admit(&facts, 1).map_err(status_of), Err(401));
        let without = Head { method: "POST".to_owned(), ..Head::default() };
        let refused = admission.admit(Stage::Head, 0, &without, None, &Facts::default());
        assert_eq!(refused.map_err(status_of), Err(401));
    }

    #[test]
    fn a_check_that_is_added_needs_a_row_only() {
        let admission = |config: &str| Admission::of(&[method::CHECK, LENGTH, basic::CHECK], &value(config));
        let head = Head { method: "POST".to_owned(), ..Head::default() };
        let facts = Facts { now: 1.0, ..Facts::default() };
        let status = |admission: &Admission, stage, body: &[u8]| {
            admission.admit(stage, 0, &head, Some(body), &facts).map_or_else(status_of, |()| 200)
        };
        let configured = admission(r#"{"sidehook":{"length":2}}"#);
        assert_eq!(status(&configured, Stage::Head, b""), 200);
        assert_eq!(status(&configured, Stage::Body, b"ab"), 200);
        assert_eq!(status(&configured, Stage::Body, b"a"), 401);
        assert_eq!(status(&admission("{}"), Stage::Body, b"a"), 200);
        let faults = admission(r#"{"sidehook":{"length":true}}"#).faults;
        assert_eq!(faults, [Fault::unusable("`length` has to be a number")]);
    }

    #[test]
    fn checks_are_asked_in_the_order_of_the_list() {
        let admission = Admission::parse(&value(r#"{"basicAuthentication":true}"#));
        let refused = |method: &str| {
            let head = Head { method: method.to_owned(), ..Head::default() };
            match admission.admit(Stage::Head, 0, &head, None, &Facts::default()) {
                Err(Stop::Refused(refusal)) => refusal,
                other => panic!("somebody is let in: {other:?}"),
            }
        };
        assert_eq!(refused("PUT"), Refusal::method_not_allowed(&["POST"]));
        assert_eq!(refused("post").status, 405, "methods are case-sensitive");
        assert_eq!(refused("POST"), Refusal::unauthorized());
        assert_eq!(admission.faults.len(), 1);
        let key = Key::Trigger("basicAuthentication");
        assert!(admission.asks_for(key) && !Admission::parse(&value("{}")).asks_for(key));
    }
}
