//! Who is let in: the one list of checks, and what a trigger's configuration makes of it.
//!
//! A check that is added is a file and a row here. Its key is then known to the trigger and in its place in the
//! order of refusals, and what is wrong with its configuration becomes a finding of `check`.

mod basic;
mod check;
mod method;

pub use self::check::{Admit, Check, Fault, Key, Stage};
use super::head::{Facts, Head};
use super::refusal::Refusal;
use crate::expr::Value;

/// All checks, in the order in which requests are refused. Unknown webhooks (404) are refused before, bodies that
/// are too long (413) between the two stages, and bodies that cannot be read (415, 400) after all of them.
pub const CHECKS: [Check; 2] = [method::CHECK, basic::CHECK];

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

    /// Asks the checks of a stage one after the other.
    pub fn admit(
        &self,
        stage: Stage,
        head: &Head,
        body: Option<&[u8]>,
        facts: &Facts,
    ) -> Result<(), Refusal> {
        let mut steps = self.steps.iter().filter(|step| step.at == stage);
        steps.try_for_each(|step| step.check.admit(head, body, facts))
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
    use super::*;
    use crate::expr::json;

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

    #[test]
    fn a_check_that_is_added_needs_a_row_only() {
        let admission = |config: &str| Admission::of(&[method::CHECK, LENGTH, basic::CHECK], &value(config));
        let head = Head { method: "POST".to_owned(), ..Head::default() };
        let facts = Facts { now: 1.0, ..Facts::default() };
        let status = |admission: &Admission, stage, body: &[u8]| {
            let admitted = admission.admit(stage, &head, Some(body), &facts);
            admitted.map_or_else(|refusal| refusal.status, |()| 200)
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
            admission.admit(Stage::Head, &head, None, &Facts::default()).expect_err("nobody is let in")
        };
        assert_eq!(refused("PUT"), Refusal::method_not_allowed(&["POST"]));
        assert_eq!(refused("post").status, 405, "methods are case-sensitive");
        assert_eq!(refused("POST"), Refusal::unauthorized());
        assert_eq!(admission.faults.len(), 1);
        let key = Key::Trigger("basicAuthentication");
        assert!(admission.asks_for(key) && !Admission::parse(&value("{}")).asks_for(key));
    }
}
