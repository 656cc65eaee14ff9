//! What a context is made of.

use proptest::prelude::*;

use super::super::*;

fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).expect("JSON in a test")
}

fn context(config: &str, headers: &[(&str, &str)], query: &str, body: &str) -> String {
    let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let head = Head { headers, query: query.to_owned(), ..Head::default() };
    let body = if body.is_empty() { Value::Undefined } else { value(body) };
    // Parameters of a path that has none.
    let incoming = Incoming { head: &head, body, raw: Value::Undefined, params: value("{}") };
    let built = context_of(&Trigger::parse(&value(config)), incoming, &Search::new(&|| false));
    json::stringify_or_null(&built.expect("a context"))
}

#[test]
fn what_lets_a_sender_in_enters_no_context() {
    let hmac = r#""sidehook":{"signature":{"scheme":"hmac","secret":"s","header":"X-Sum"}}"#;
    let headers = [("x-sum", "5"), ("x-b", "1")];
    let whole = context(&format!("{{{hmac}}}"), &headers, "", "1");
    assert_eq!(whole, r#"{"headers":{"x-b":"1"},"query":{},"data":1,"params":{}}"#);
    let picked = format!(r#"{{{hmac},"request":{{"headers":[{{"key":"X-Sum"}},{{"key":"X-B"}}]}}}}"#);
    let expected = r#"{"headers":{"X-B":"1"},"query":{},"body":{}}"#;
    assert_eq!(context(&picked, &headers, "", "1"), expected);
    let token = r#"{"sidehook":{"signature":{"scheme":"token","secret":"s","query":"k"}}}"#;
    let expected = r#"{"headers":{},"query":{"a":"1"},"data":1,"params":{}}"#;
    assert_eq!(context(token, &[], "a=1&k=s", "1"), expected);
}

fn body_item(key: &str, body: &str) -> String {
    let key = json::stringify_or_null(&Value::from(key));
    let config = format!(r#"{{"request":{{"body":[{{"key":{key},"_var":"v"}}]}}}}"#);
    let built = value(&context(&config, &[], "", body)).member("body").member("v");
    json::stringify(&built).unwrap_or_else(|| "absent".to_owned())
}

#[test]
fn configured_items_are_picked_and_missing_ones_are_absent() {
    let config = r#"{"request":{
        "headers":[{"key":"X-Sign"},{"key":"x-two","_var":"h1"},{"key":"x-none"}],
        "query":[{"key":"q"},{"key":"list"},{"key":"list[1]"},{"key":"f.a"},{"key":"none"}],
        "body":[{"key":"a.b.1.c","_var":"body_$0"},{"key":"b.c"},{"key":"n"},{"key":"l.map"},
            {"key":"nope"}]}}"#;
    let headers = [("x-sign", "abc"), ("x-two", "2"), ("x-two", "3"), ("x-other", "x")];
    let built = context(
        config,
        &headers,
        "q=1&list=a&list=b&f[a]=%E2%9C%93",
        r#"{"a":{"b":[{"c":1},{"c":2}]},"b":{"c":"dot"},"n":null,"l":[]}"#,
    );
    let expected = concat!(
        r#"{"headers":{"X-Sign":"abc","h1":"2, 3"},"#,
        r#""query":{"q":"1","list":["a","b"],"list[1]":"b","f.a":"✓"},"#,
        r#""body":{"body_$0":2,"b.c":"dot","n":null}}"#
    );
    assert_eq!(built, expected);
    assert_eq!(context(config, &[], "", ""), r#"{"headers":{},"query":{},"body":{}}"#);
}

#[test]
fn json_paths_give_one_value_or_a_list() {
    let body = r#"{"items":[{"id":1,"tags":["a"]},{"id":9007199254740993}],"none":null,"$filter":"x"}"#;
    let cases = [
        ("$.items[0].id", "1"),
        ("$.items[-1]['id']", "9007199254740992"),
        ("$.items[*].id", "[1,9007199254740992]"),
        ("$..tags", r#"[["a"]]"#),
        ("$.items[?@.id > 1].id", "[9007199254740992]"),
        ("$.none", "null"),
        ("$.nope", "absent"),
        ("$.nope[*]", "[]"),
        ("$filter", "\"x\""),
        ("$.items[", "absent"),
    ];
    for (key, expected) in cases {
        assert_eq!(body_item(key, body), expected, "{key}");
    }
    assert_eq!(body_item("$", "[1]"), "[1]");
    assert_eq!(body_item("$", ""), "absent");
}

#[test]
fn without_a_request_the_whole_request_is_the_context() {
    let headers = [("x-a", "1"), ("x-b", "2"), ("x-a", "3")];
    assert_eq!(
        context("{}", &headers, "a[b]=c", "[1]"),
        r#"{"headers":{"x-a":"1, 3","x-b":"2"},"query":{"a":{"b":"c"}},"data":[1],"params":{}}"#
    );
    assert_eq!(context("null", &[], "", ""), r#"{"headers":{},"query":{},"params":{}}"#);
}

#[test]
fn configured_items_stand_beside_the_whole_request() {
    let config = r#"{"sidehook":{"context":"full"},"request":{"headers":[{"key":"x-a","_var":"h"}],
        "query":[{"key":"a.b","_var":"x"}],"body":[{"key":"id"}]}}"#;
    let expected = concat!(
        r#"{"headers":{"x-a":"1","h":"1"},"query":{"a":{"b":"c"},"x":"c"},"body":{"id":5},"#,
        r#""data":{"id":5,"n":1},"params":{}}"#
    );
    assert_eq!(context(config, &[("x-a", "1")], "a[b]=c", r#"{"id":5,"n":1}"#), expected);
}

#[test]
fn parameters_of_the_path_are_part_of_every_context() {
    let cases = [
        (r#"{"request":{}}"#, r#"{"headers":{},"query":{},"body":{},"params":{"id":"7"}}"#),
        ("{}", r#"{"headers":{},"query":{},"params":{"id":"7"}}"#),
    ];
    for (config, expected) in cases {
        let params = value(r#"{"id":"7"}"#);
        let incoming =
            Incoming { head: &Head::default(), body: Value::Undefined, raw: Value::Undefined, params };
        let built = context_of(&Trigger::parse(&value(config)), incoming, &Search::new(&|| false));
        assert_eq!(built.map(|built| json::stringify_or_null(&built)), Ok(expected.to_owned()), "{config}");
    }
}

#[test]
fn secrets_are_never_part_of_the_whole_but_can_be_configured() {
    let headers = [("x-auth-token", "secret"), ("x-hub-signature-256", "secret"), ("x-a", "1")];
    assert_eq!(
        context("{}", &headers, "token=secret&b=2&a[key]=secret&a[c]=3", ""),
        r#"{"headers":{"x-a":"1"},"query":{"b":"2","a":{"c":"3"}},"params":{}}"#
    );
    let config = r#"{"sidehook":{"context":"full"},"request":{
        "headers":[{"key":"X-Auth-Token","_var":"h"}],"query":[{"key":"token"},{"key":"a.key"}]}}"#;
    assert_eq!(
        context(config, &headers, "token=t&a[key]=k", ""),
        concat!(
            r#"{"headers":{"x-a":"1","h":"secret"},"query":{"a":{},"token":"t","a.key":"k"},"#,
            r#""body":{},"params":{}}"#
        )
    );
}

#[test]
fn what_lets_senders_in_is_never_part_of_the_whole() {
    let header = r#"{"sidehook":{"auth":{"header":"X-Entry","value":"s"}}}"#;
    let headers = [("x-entry", "s"), ("x-a", "1")];
    let expected = r#"{"headers":{"x-a":"1"},"query":{"x-entry":"t"},"params":{}}"#;
    assert_eq!(context(header, &headers, "x-entry=t", ""), expected);
    let query = r#"{"sidehook":{"auth":{"query":"en[try]","value":"s"}}}"#;
    let expected = r#"{"headers":{"x-entry":"s"},"query":{"b":"2","en":{"c":"3"}},"params":{}}"#;
    let sent = "en[try]=s&b=2&en%5Btry%5D=s&en[c]=3";
    assert_eq!(context(query, &headers[..1], sent, ""), expected);
    let picked =
        r#"{"request":{"query":[{"key":"entry"}]},"sidehook":{"auth":{"query":"entry","value":"s"}}}"#;
    assert_eq!(context(picked, &[], "entry=s", ""), r#"{"headers":{},"query":{"entry":"s"},"body":{}}"#);
}

#[test]
fn a_search_that_takes_too_many_steps_gives_no_context() {
    let config = value(r#"{"request":{"body":[{"key":"$..*..*..*"}]}}"#);
    let body = value(&format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120)));
    let incoming = Incoming { head: &Head::default(), body, raw: Value::Undefined, params: Value::Undefined };
    assert_eq!(context_of(&Trigger::parse(&config), incoming, &Search::new(&|| false)).err(), Some(Exceeded));
}

#[test]
fn a_signature_can_be_configured_but_credentials_cannot() {
    let config = r#"{"request":{"headers":[
        {"key":"Authorization"},{"key":"Cookie","_var":"c"},{"key":"X-Hub-Signature-256","_var":"s"}]}}"#;
    let headers = [("authorization", "secret"), ("cookie", "secret"), ("x-hub-signature-256", "sha256=1")];
    let expected = r#"{"headers":{"s":"sha256=1"},"query":{},"body":{}}"#;
    assert_eq!(context(config, &headers, "", ""), expected);
}

proptest! {
    #[test]
    fn any_request_has_a_context(
        key in prop_oneof!["\\PC{0,20}", "\\$[\\[\\].*?@$'\":,()<>=a-c0-9 -]{0,20}"],
        name in "[a-z-]{0,10}",
        query in "\\PC{0,40}",
        json in "[\\[\\]{}\":,a-c0-9]{0,30}",
    ) {
        let item = || Value::array(vec![Value::object([("key", Value::from(key.as_str()))])]);
        let request = Value::object([("headers", item()), ("query", item()), ("body", item())]);
        let headers = vec![(name.clone(), query.clone()), (name, query.clone())];
        let head = Head { headers, query, ..Head::default() };
        for config in [Value::object([("request", request)]), Value::Null] {
            let body = json::parse(json.as_bytes()).unwrap_or_default();
            let incoming = Incoming { head: &head, body, raw: Value::Undefined, params: Value::Null };
            let built = context_of(&Trigger::parse(&config), incoming, &Search::new(&|| false));
            let built = built.expect("short values are searched in few steps");
            prop_assert!(built.member("headers").as_object().is_some());
            prop_assert!(built.member("query").as_object().is_some());
        }
    }
}
