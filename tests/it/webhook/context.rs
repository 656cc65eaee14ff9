//! What of a request a workflow sees.

use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use super::asking::{basic, context_of, echo, picking, start};
use crate::raw;

#[tokio::test]
async fn bodies_reach_the_context_by_their_types() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    let cases = [
        ("application/json", r#"{"b":{"c":[1,null,"x"]}}"#, json!({"b": {"c": [1, null, "x"]}})),
        ("application/json; charset=utf-8", "\u{feff}[1]", json!([1])),
        ("APPLICATION/JSON", "5", json!(5)),
        ("application/vnd.api+json", r#"{"data":[]}"#, json!({"data": []})),
        ("application/x-www-form-urlencoded", "a[b][]=1&a[b][]=2&c.d=%C3%A4+x", {
            json!({"a": {"b": ["1", "2"]}, "c": {"d": "ä x"}})
        }),
        ("text/plain", "häufig", json!("häufig")),
        ("text/plain; charset=gbk", "plain", json!("plain")),
        ("text/csv", "a,b\n1,2", json!("a,b\n1,2")),
        ("application/xml", "<a>{}</a>", json!("<a>{}</a>")),
        ("text/xml; charset=utf-8", "<ä/>", json!("<ä/>")),
        ("application/atom+xml", "<feed/>", json!("<feed/>")),
        ("application/json", "null", Value::Null),
    ];
    for (content_type, body, expected) in cases {
        let request = server.client.post(server.trigger_url("k")).header("content-type", content_type);
        let context = context_of(request.body(body).send().await.expect("an answer")).await;
        assert_eq!(context["data"], expected, "{content_type}: {body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_empty_body_of_any_type_is_absent() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    for content_type in [None, Some("application/json"), Some("text/plain"), Some("image/png")] {
        let mut request = server.client.post(server.trigger_url("k"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let context = context_of(request.send().await.expect("an answer")).await;
        assert_eq!(context.get("data"), None, "{content_type:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_chunked_body_is_read_like_any_other() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", picking(json!({"body": [{"key": "text"}]})))).await;
    let text = "ä".repeat(5_000);
    let body = raw::chunked(json!({"text": text}).to_string().as_bytes(), 999);
    let head = [
        b"POST /api/webhook:trigger/k HTTP/1.1".as_slice(),
        b"content-type: application/json",
        b"transfer-encoding: chunked",
    ];
    let answer = raw::send(&server.url, &head, &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let execution = &server.query("SELECT context FROM executions").await[0];
    let context: String = execution.try_get_by_index(0).expect("a text");
    let context: Value = serde_json::from_str(&context).expect("JSON");
    assert_eq!(context["body"]["text"], text);
    server.stop().await;
}

#[tokio::test]
async fn items_are_picked_by_path_under_their_names() {
    let (_database, server) = start(&[]).await;
    let request = json!({
        "query": [{"key": "page", "alias": "The page", "_var": "q1"}, {"key": "filter.name"}],
        "body": [
            {"key": "order.lines[1].sku", "_var": "second"},
            {"key": "a.b"},
            {"key": "missing", "_var": "m"},
            {"key": "nothing"},
        ],
    });
    server.add(&echo("k", picking(request))).await;
    let url = format!("{}?page=2&filter[name]=x&other=1", server.trigger_url("k"));
    let body = json!({"order": {"lines": [{"sku": 1}, {"sku": 2}]}, "a": {"b": false}, "nothing": null});
    let context = context_of(server.client.post(url).json(&body).send().await.expect("an answer")).await;
    let expected = json!({
        "headers": {},
        "query": {"q1": "2", "filter.name": "x"},
        "body": {"second": 2, "a.b": false, "nothing": null},
    });
    assert_eq!(context, expected);
    server.stop().await;
}

#[tokio::test]
async fn a_query_nests_as_qs_nests_it() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    let cases = [
        ("a=1&a=2", json!({"a": ["1", "2"]})),
        ("a[b][c]=1&a%5Bb%5D[d]=2", json!({"a": {"b": {"c": "1", "d": "2"}}})),
        ("l[]=x&l[]=y", json!({"l": ["x", "y"]})),
        ("l[1]=b&l[0]=a", json!({"l": ["a", "b"]})),
        ("a.b=1", json!({"a.b": "1"})),
        ("s=a+b%20c&e&n=", json!({"s": "a b c", "e": "", "n": ""})),
        ("a[b][c][d][e][f][g]=x", json!({"a": {"b": {"c": {"d": {"e": {"f": {"[g]": "x"}}}}}}})),
        ("", json!({})),
    ];
    for (query, expected) in cases {
        let url = format!("{}?{query}", server.trigger_url("k"));
        let context = context_of(server.client.post(url).send().await.expect("an answer")).await;
        assert_eq!(context["query"], expected, "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn keys_that_start_with_a_dollar_are_json_paths() {
    let (_database, server) = start(&[]).await;
    let request = json!({
        "query": [{"key": "$.filter.tags[0]", "_var": "tag"}],
        "body": [
            {"key": "$.lines[*].sku", "_var": "skus"},
            {"key": "$.lines[?@.n > 1].sku", "_var": "many"},
            {"key": "$.lines[0].sku", "_var": "first"},
            {"key": "$..none", "_var": "none"},
            {"key": "$.absent", "_var": "absent"},
            {"key": "$type"},
        ],
    });
    server.add(&echo("k", picking(request))).await;
    let url = format!("{}?filter[tags][]=red&filter[tags][]=blue", server.trigger_url("k"));
    let body = json!({"lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "$type": "order"});
    let context = context_of(server.client.post(url).json(&body).send().await.expect("an answer")).await;
    assert_eq!(context["query"], json!({"tag": "red"}));
    let expected = json!({"skus": ["a", "b"], "many": ["b"], "first": "a", "none": [], "$type": "order"});
    assert_eq!(context["body"], expected);
    server.stop().await;
}

#[tokio::test]
async fn header_names_have_no_case_and_their_values_are_latin_1() {
    let (_database, server) = start(&[]).await;
    let request = json!({"headers": [
        {"key": "X-Event-Name"},
        {"key": "x-latin", "_var": "latin"},
        {"key": "X-TWICE", "_var": "twice"},
        {"key": "x-missing"},
    ]});
    server.add(&echo("k", picking(request))).await;
    let latin = HeaderValue::from_bytes(b"caf\xe9").expect("a header value");
    let request = server.client.post(server.trigger_url("k")).header("x-eVent-nAme", "push");
    let request = request.header("X-LATIN", latin).header("x-twice", "a").header("X-Twice", "b");
    let context = context_of(request.send().await.expect("an answer")).await;
    let expected = json!({"X-Event-Name": "push", "latin": "café", "twice": "a, b"});
    assert_eq!(context["headers"], expected);
    server.stop().await;
}

#[tokio::test]
async fn a_trigger_without_request_sees_the_whole_request_but_no_credentials() {
    let (_database, server) = start(&[]).await;
    let full =
        json!({"request": {"body": [{"key": "a", "_var": "picked"}]}, "sidehook": {"context": "full"}});
    for (key, trigger) in [("none", json!({})), ("full", full)] {
        server.add(&echo(key, trigger)).await;
        let url = format!("{}?q=1&token=pw&a[password]=pw", server.trigger_url(key));
        let request = server.client.post(url).json(&json!({"a": [1]})).header("x-own", "own");
        let request = request
            .header("authorization", basic("ada:pw"))
            .header("cookie", "session=pw")
            .header("proxy-authorization", "pw")
            .header("x-hub-signature-256", "sha256=pw")
            .header("x-auth-token", "pw")
            .header("x-webhook-secret", "pw")
            .header("x-forwarded-authorization", "pw")
            .header("x-gitlab-token", "pw");
        let context = context_of(request.send().await.expect("an answer")).await;
        assert_eq!(context["data"], json!({"a": [1]}), "{key}");
        assert_eq!(context["query"], json!({"q": "1", "a": {}}), "{key}");
        assert_eq!(context["params"], json!({}), "{key}");
        let headers = context["headers"].as_object().expect("an object");
        assert_eq!(
            (&headers["x-own"], &headers["content-type"]),
            (&json!("own"), &json!("application/json"))
        );
        let names: Vec<&String> = headers.keys().collect();
        assert!(!context.to_string().contains("pw"), "{names:?}");
        let picked = if key == "full" { json!({"picked": [1]}) } else { Value::Null };
        assert_eq!(context["body"], picked, "{key}");
    }
    server.stop().await;
}

#[tokio::test]
async fn configured_items_never_hold_credentials() {
    let (_database, server) = start(&[]).await;
    let names = ["Authorization", "cookie", "Proxy-Authorization", "x-own"];
    let headers: Vec<Value> = names.iter().map(|name| json!({"key": name})).collect();
    server.add(&echo("k", picking(json!({"headers": headers})))).await;
    let mut request = server.client.post(server.trigger_url("k"));
    for name in names {
        request = request.header(name, "value");
    }
    let context = context_of(request.send().await.expect("an answer")).await;
    assert_eq!(context["headers"], json!({"x-own": "value"}));
    server.stop().await;
}

#[tokio::test]
async fn a_large_body_and_a_search_are_read_like_others() {
    let (_database, server) = start(&[]).await;
    let request =
        json!({"body": [{"key": "$.l[*].n", "_var": "all"}, {"key": "t.length", "_var": "length"}]});
    server.add(&echo("k", picking(request))).await;
    let body = json!({"t": "x".repeat(200_000), "l": [{"n": 1}, {"n": 2}]});
    let response = server.client.post(server.trigger_url("k")).json(&body).send().await.expect("an answer");
    assert_eq!(context_of(response).await["body"], json!({"all": [1, 2], "length": 200_000}));
    server.stop().await;
}

#[tokio::test]
async fn index_keys_in_any_order_keep_nobody_waiting() {
    let (_database, server) = start(&[]).await;
    server
        .add(&echo("k", picking(json!({"body": [{"key": "0", "_var": "first"}, {"key": "299999"}]}))))
        .await;
    let members: Vec<String> = (0..300_000).rev().map(|i| format!("\"{i}\":{i}")).collect();
    let request = server.client.post(server.trigger_url("k")).header("content-type", "application/json");
    let response = request.body(format!("{{{}}}", members.join(","))).send().await.expect("an answer");
    assert_eq!(context_of(response).await["body"], json!({"first": 0, "299999": 299_999}));
    server.stop().await;
}
