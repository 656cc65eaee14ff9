//! Checks against what Joi 17 said, as NocoBase's server calls it: pairs of lines, a validation with a value and the
//! answer. Recorded on Node.js 20.

use super::*;
use crate::expr::json;

#[test]
fn values_are_refused_as_joi_refuses_them() {
    let lines: Vec<&str> = include_str!("recorded.txt").lines().collect();
    assert!(lines.len() > 100 && lines.len().is_multiple_of(2));
    for pair in lines.chunks(2) {
        let input = json::parse(pair[0].as_bytes()).expect("JSON");
        let value = input.member("value");
        let found = match failure(&input, &value, "posts.f") {
            Ok(None) => "ok".to_owned(),
            Ok(Some(failure)) => json::stringify_or_null(&failure.thrown("posts.f", &value).to_result()),
            Err(thrown) => format!("throws {}", thrown.message),
        };
        assert_eq!(found, pair[1], "{}", pair[0]);
    }
}

#[test]
fn rules_that_are_not_known_let_nothing_through() {
    let input = json::parse(br#"{"type":"string","rules":[{"name":"creditCard"}]}"#).expect("JSON");
    let thrown = failure(&input, &"x".into(), "posts.f").err().expect("it is refused");
    assert!(thrown.message.contains("creditCard"), "{}", thrown.message);
}

#[test]
fn addresses_need_a_domain_and_a_scheme() {
    let emails =
        [("a@b.com", true), ("a.b@c.org", true), ("a@b", false), ("@b.com", false), ("a@-b.com", false)];
    for (text, expected) in emails {
        assert_eq!(is_email(text), expected, "{text}");
    }
    let uris = [
        ("http://a.b/c", true),
        ("mailto:a@b", true),
        ("a/b", false),
        ("http://a b", false),
        ("x:%zz", false),
    ];
    for (text, expected) in uris {
        assert_eq!(is_uri(text), expected, "{text}");
    }
}
