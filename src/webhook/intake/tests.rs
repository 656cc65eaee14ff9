mod context;

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::webhook::memory::Memory;

fn entries(value: &Value, member: &str) -> Vec<Value> {
    value.member(member).as_array().map(|array| array.items().to_vec()).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn head_of(request: &Value) -> Head {
    let header = |pair: Value| {
        let pair = pair.as_array().expect("a name and a value").items().to_vec();
        (text(&pair[0]).to_lowercase(), text(&pair[1]))
    };
    Head {
        method: request.member("method").as_str().unwrap_or("POST").to_owned(),
        path: "/api/webhooks/key".to_owned(),
        headers: entries(request, "headers").into_iter().map(header).collect(),
        query: text(&request.member("query")),
    }
}

fn bytes_of(body: &Value) -> Vec<u8> {
    match body.member("base64").as_str() {
        Some(encoded) => STANDARD.decode(encoded).expect("base64"),
        None => text(body).into_bytes(),
    }
}

fn refusal(stop: Stop) -> Refusal {
    match stop {
        Stop::Refused(refusal) => refusal,
        Stop::Needs { wanted, .. } => panic!("a case that needs files: {wanted:?}"),
    }
}

/// What a request comes to.
fn outcome(case: &Value) -> Result<Value, Refusal> {
    let request = case.member("request");
    let (trigger, head) = (Trigger::parse(&case.member("trigger")), head_of(&request));
    let body_limit = case.member("bodyLimit").as_number().map_or(1 << 20, |limit| limit as usize);
    let facts = Facts {
        now: case.member("now").as_number().unwrap_or_default(),
        peer: case.member("peer").as_str().and_then(|peer| peer.parse().ok()),
        env: case.member("env").as_object().cloned().unwrap_or_default().into(),
        ..Facts::default()
    };
    let intake = Intake { trigger: &trigger, head: &head, facts: &facts, body_limit };
    intake.admit_head(0).map_err(refusal)?;
    let bytes = bytes_of(&request.member("body"));
    if intake.has_body() {
        intake.check_length(bytes.len())?;
    }
    let admitted = intake.admit_body(0, &bytes).map_err(refusal)?;
    let params = Value::empty_object();
    let share = Memory::new(256 << 20).share();
    let delivery = Delivery { admitted, bytes: &bytes, params, share: &share, is_late: &|| false };
    Ok(match intake.read(delivery)? {
        Read::Event { context, .. } => context,
        Read::Answer { reply, .. } => answered(&Value::Number(reply.status.into())),
    })
}

fn answered(status: &Value) -> Value {
    Value::object([("answered", status.clone())])
}

/// As far as the case says something of it.
fn refused(refusal: &Refusal, expected: &Value) -> bool {
    let is_told = |(name, value): (&str, &Value)| {
        let mut headers = refusal.headers.iter();
        headers.any(|(known, told)| known.eq_ignore_ascii_case(name) && Some(&**told) == value.as_str())
    };
    let (message, headers) = (expected.member("message"), expected.member("headers"));
    expected.member("status").as_number() == Some(refusal.status.into())
        && (message.is_undefined() || message.as_str() == Some(&refusal.message))
        && headers.as_object().is_none_or(|headers| headers.iter().all(|(k, v)| is_told((k, v))))
}

/// The cases that NocoBase's plugin is tested with, too.
#[test]
fn requests_come_to_what_the_cases_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webhook");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the folder of cases") {
        let file = fs::read(entry.expect("an entry").path()).expect("a file of cases");
        for case in entries(&json::parse(&file).expect("cases as JSON"), "cases") {
            let name = text(&case.member("name"));
            let (context, refusal) = (case.member("context"), case.member("refusal"));
            match outcome(&case) {
                // As texts, because the order of keys counts.
                Ok(found) => {
                    let status = case.member("answered");
                    let expected = if status.is_undefined() { context } else { answered(&status) };
                    assert_eq!(json::stringify(&found), json::stringify(&expected), "{name}");
                }
                Err(found) => assert!(refused(&found, &refusal), "{name}: {found:?}"),
            }
            count += 1;
        }
    }
    assert!(count > 150, "{count} cases");
}

#[test]
fn a_request_keeps_the_memory_of_its_context_only() {
    let trigger = json::parse(br#"{"request":{"body":[{"key":"id"}]}}"#).expect("JSON in a test");
    let (trigger, memory) = (Trigger::parse(&trigger), Memory::new(16 << 20));
    let (head, share) = (Head::default(), memory.share());
    let intake = Intake { trigger: &trigger, head: &head, facts: &Facts::default(), body_limit: 1 << 20 };
    let body = format!(r#"{{"id":1,"rest":[{}0]}}"#, "0,".repeat(10_000));
    let params = Value::Undefined;
    let (admitted, bytes) = (Admitted(()), body.as_bytes());
    let read = intake.read(Delivery { admitted, bytes, params, share: &share, is_late: &|| false });
    let Ok(Read::Event { context, .. }) = read else { panic!("it is no event: {read:?}") };
    assert_eq!(context.member("body").member("id").as_number(), Some(1.0));
    assert!((1..1000).contains(&memory.used()), "{}", memory.used());
}

#[test]
fn large_bodies_and_searches_are_heavy() {
    let is_heavy = |config: &str, length: usize| {
        let trigger = Trigger::parse(&json::parse(config.as_bytes()).expect("JSON in a test"));
        let (head, facts) = (Head::default(), Facts::default());
        Intake { trigger: &trigger, head: &head, facts: &facts, body_limit: 1 << 20 }.is_heavy(length)
    };
    assert!(!is_heavy("{}", 64 << 10) && is_heavy("{}", (64 << 10) + 1));
    assert!(!is_heavy(r#"{"request":{"body":[{"key":"$.a[0]"}]}}"#, 1));
    assert!(is_heavy(r#"{"request":{"body":[{"key":"$.a[*]"}]}}"#, 1));
}
