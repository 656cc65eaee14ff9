//! `sidehook.filter`: which requests are worth an execution, by a basic condition over the context, and what the others
//! are answered.

use std::sync::Arc;

use super::admission::{Fault, Members};
use super::memory::Share;
use super::refusal::Refusal;
use super::reply::Reply;
use super::response::Response;
use crate::expr::{Object, Scope, Template, Thrown, Value, json, logic};

/// At most so many comparisons and groups: each may read all of a body.
const MAX_COMPARISONS: usize = 100;

/// A condition, and the answer to what does not meet it.
#[derive(Clone, Debug)]
pub struct Filter {
    condition: Template,
    /// 200 and `ok` unless configured.
    reply: Response,
}

impl Filter {
    /// Reads `{engine: "basic", calculation, reply: {statusCode, headers, body}}`, the first two as a condition node has
    /// them; off where it is absent or null.
    pub fn parse(config: &Value) -> Result<Option<Self>, Fault> {
        if config.is_nullish() {
            return Ok(None);
        }
        let members = Members::of("sidehook.filter", config, &["engine", "calculation", "reply"])?;
        members.choice("engine", &["basic"])?;
        let calculation = members.value("calculation").cloned().unwrap_or_default();
        let mut left = MAX_COMPARISONS;
        check(&calculation, &mut left).map_err(|what| members.fault("calculation", what))?;
        let reply = match members.value("reply") {
            None => Response::default(),
            Some(reply) => {
                Members::of(members.place_of("reply"), reply, &["statusCode", "headers", "body"])?;
                Response::parse(reply)
            }
        };
        Ok(Some(Self { condition: Template::parse(&calculation), reply }))
    }

    /// What a sender is told whose request does not meet the condition, with what the condition has thrown.
    pub fn answer(
        &self,
        context: &Value,
        env: &Arc<Object>,
        share: &Share,
    ) -> Result<Option<(Reply, Option<String>)>, Refusal> {
        // It is looked at in a copy.
        let weight = json::weight(context);
        share.grow(weight).map_err(Refusal::out_of_memory)?;
        let answer = match self.is_met(context, env) {
            Ok(true) => None,
            met => {
                let thrown = met.err().map(|thrown| thrown.to_string());
                Some((self.reply.reply(&scope(context, env))?, thrown))
            }
        };
        share.give_back(weight);
        Ok(answer)
    }

    /// Whether a context meets the condition. Throws what a comparison throws, such as `includes` of something that is
    /// neither a text nor a list.
    fn is_met(&self, context: &Value, env: &Arc<Object>) -> Result<bool, Thrown> {
        logic::evaluate(&self.condition.render(&scope(context, env))?)
    }
}

/// With a context of its own: columns that a template reads through an array stay on it, and the run must not find
/// them.
fn scope(context: &Value, env: &Arc<Object>) -> Scope {
    Scope { env: env.clone(), ..Scope::of_context(context.detached()) }
}

/// Finds fault with what could only throw or decide nothing.
fn check(calculation: &Value, left: &mut usize) -> Result<(), &'static str> {
    *left = left.checked_sub(1).ok_or("has more than 100 comparisons")?;
    if calculation.as_object().is_none() {
        return Err("has to be a condition: a group or a comparison");
    }
    let group = calculation.member("group");
    if group.is_undefined() {
        let is_known = calculation.member("calculator").as_str().is_some_and(logic::is_calculator);
        let has_operands =
            calculation.member("operands").as_array().is_some_and(|all| !all.items().is_empty());
        return match (is_known, has_operands) {
            (true, true) => Ok(()),
            (false, _) => Err("has a comparison whose `calculator` is not known"),
            (true, false) => Err("has a comparison without `operands`"),
        };
    }
    if !matches!(group.member("type").as_str(), Some("and" | "or")) {
        return Err("has a group whose `type` is neither `and` nor `or`");
    }
    let calculations = group.member("calculations");
    let calculations = calculations.as_array().map(|all| all.items()).unwrap_or_default();
    if calculations.is_empty() {
        return Err("has a group without `calculations`");
    }
    calculations.iter().try_for_each(|calculation| check(calculation, left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::memory::Memory;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    fn is_met(calculation: &str, context: &str) -> Option<bool> {
        let filter = Filter::parse(&value(&format!(r#"{{"engine":"basic","calculation":{calculation}}}"#)));
        let filter = filter.expect("usable").expect("it is on");
        let env = Arc::new(Object::from_iter([("WANTED", Value::from("opened"))]));
        filter.is_met(&value(context), &env).ok()
    }

    const BOTH: &str = r#"{"group":{"type":"and","calculations":[
        {"calculator":"equal","operands":["{{$context.data.action}}","{{$env.WANTED}}"]},
        {"group":{"type":"or","calculations":[
            {"calculator":"gt","operands":["{{$context.data.n}}",5]},
            {"calculator":"includes","operands":["{{$context.data.labels.name}}","bug"]}]}}]}}"#;

    #[test]
    fn conditions_are_those_of_condition_nodes() {
        assert_eq!(is_met(BOTH, r#"{"data":{"action":"opened","n":6}}"#), Some(true));
        assert_eq!(is_met(BOTH, r#"{"data":{"action":"closed","n":6}}"#), Some(false));
        assert_eq!(is_met(BOTH, r#"{"data":{"action":"opened","labels":[{"name":"bug"}]}}"#), Some(true));
        assert_eq!(is_met(BOTH, r#"{"data":{"action":"opened"}}"#), None, "nothing includes nothing");
    }

    #[test]
    fn a_context_is_not_changed_by_being_looked_at() {
        let filter =
            format!(r#"{{"calculation":{BOTH},"reply":{{"body":"{{{{$context.data.labels.name}}}}"}}}}"#);
        let filter = Filter::parse(&value(&filter)).expect("usable").expect("it is on");
        let context = value(r#"{"data":{"action":"opened","labels":[{"name":"a"}]}}"#);
        let (env, memory) = (Arc::default(), Memory::new(1 << 20));
        let answer = filter.answer(&context, &env, &memory.share());
        assert!(matches!(answer, Ok(Some((_, None)))), "{answer:?}");
        let labels = context.member("data").member("labels");
        assert!(labels.as_array().is_some() && labels.columns().is_empty());
    }

    #[test]
    fn other_shapes_are_faults() {
        assert!(Filter::parse(&Value::Null).expect("off").is_none());
        let many = format!(
            r#"{{"calculation":{{"group":{{"type":"or","calculations":[{}{{"calculator":"equal","operands":[1]}}]}}}}}}"#,
            r#"{"calculator":"equal","operands":[1]},"#.repeat(99)
        );
        let unusable = [
            "true",
            "[]",
            "{}",
            r#"{"calculation":null}"#,
            r#"{"calculation":{}}"#,
            r#"{"calculation":{"group":null}}"#,
            r#"{"calculation":{"group":{"type":"not","calculations":[]}}}"#,
            r#"{"calculation":{"group":{"type":"and","calculations":[]}}}"#,
            r#"{"calculation":{"group":{"type":"and","calculations":[5]}}}"#,
            r#"{"calculation":{"calculator":"like","operands":[1,2]}}"#,
            r#"{"calculation":{"calculator":"equal"}}"#,
            r#"{"engine":"math.js","expression":"1","calculation":{"calculator":"equal","operands":[1]}}"#,
            r#"{"calculation":{"calculator":"equal","operands":[1]},"reply":"no"}"#,
            r#"{"calculation":{"calculator":"equal","operands":[1]},"reply":{"status":204}}"#,
            &many,
        ];
        for config in unusable {
            let fault = Filter::parse(&value(config)).expect_err(config);
            assert!(fault.text.contains("`sidehook.filter"), "{}", fault.text);
        }
    }
}
