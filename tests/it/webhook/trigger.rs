//! The webhook's URL, whom it lets in, what it refuses and in which order, and what of a request a workflow sees.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entity::Table;
use reqwest::header::HeaderValue;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::raw;
use crate::rows::Rows;
use crate::server::{TestServer, prepare};

/// All that a request can be refused for is tried with a body limit that is easily exceeded.
const BODY_LIMIT: usize = 1024;

/// A server over SQLite: what is tested here does not depend on the database.
async fn start(settings: &[(&str, &str)]) -> (TestDatabase, TestServer) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, settings).await;
    (database, server)
}

/// A workflow that answers with its context.
fn echo(key: &str, trigger: Value) -> NewWorkflow {
    let answer = node("answer", "response", json!({"body": "{{$context}}"}));
    workflow(key, true, &trigger, &[answer])
}

fn picking(request: Value) -> Value {
    json!({"basicAuthentication": false, "request": request})
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

async fn context_of(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    response.json().await.expect("the context as JSON")
}

/// Checks the one form that refusals have, and returns the message.
async fn message_of(response: Response) -> String {
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    let text = response.text().await.expect("the body arrives");
    message_in(&text)
}

fn message_in(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_else(|err| panic!("{body:?} is no JSON: {err}"));
    let message = body["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    assert_eq!(body, json!({"errors": [{"message": message}]}));
    assert!(!message.is_empty());
    message
}

#[tokio::test]
async fn each_url_of_a_workflow_triggers_it() {
    let (_database, server) = start(&[]).await;
    let hook = echo("a-key", picking(json!({"body": [{"key": "n"}]})));
    server.add(&hook).await;
    let paths = [
        "/api/webhook:trigger/a-key",
        "/api/webhook%3Atrigger/a-key",
        "/api/webhook%3atrigger/a-key",
        "/api/webhooks/a-key",
        "/api/webhook:trigger/a%2Dkey",
        "/api/webhook:trigger/a-key/",
        "/api/webhooks/a-key/",
        "/api/webhook:trigger?filterByTk=a-key",
        "/api/webhook:trigger/?x=1&filterByTk=a%2Dkey",
    ];
    for path in paths {
        let response = server.client.post(format!("{}{path}", server.url)).json(&json!({"n": path}));
        let context = context_of(response.send().await.expect(path)).await;
        assert_eq!(context["body"]["n"], path);
    }
    assert_eq!(server.executions(hook.id).await.len(), paths.len());
}

#[tokio::test]
async fn urls_start_with_the_configured_base_path() {
    for (base, expected) in [("/v2/api/", "/v2/api/"), ("nb", "/nb/"), ("/", "/")] {
        let (_database, server) = start(&[("API_BASE_PATH", base)]).await;
        server.add(&echo("k", json!({}))).await;
        for path in ["webhook:trigger/k", "webhook%3Atrigger/k", "webhooks/k"] {
            let url = format!("{}{expected}{path}", server.url);
            let status = server.client.post(&url).send().await.expect("an answer").status();
            assert_eq!(status, 200, "{url}");
        }
        assert_eq!(server.post("k", &json!({})).await.status(), 404, "the default path under {base}");
        let live = server.client.get(format!("{}/health/live", server.url)).send().await;
        assert_eq!(live.expect("an answer").status(), 200, "{base}");
    }
}

#[tokio::test]
async fn what_is_no_url_of_sidehook_is_not_found() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    for path in [
        "/",
        "/api",
        "/api/webhook:trigger",
        "/api/webhook:trigger/",
        "/api/webhook:trigger?filterByTk=",
        "/api/webhook:trigger?filterByTk=unknown",
        "/api/webhook:trigger?filterByTk[]=k",
        "/api/webhook:other?filterByTk=k",
        "/api/webhook:other/k",
        "/api/workflows:list",
        "/api/webhooks",
        "/webhooks/k",
        "/api/webhooks/k/more",
    ] {
        let response = server.client.post(format!("{}{path}", server.url)).send().await.expect("an answer");
        assert_eq!(response.status(), 404, "{path}");
        message_of(response).await;
    }
}

#[tokio::test]
async fn keys_without_an_enabled_webhook_workflow_are_not_found() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    for (key, change) in [("off", "enabled = false"), ("other", "type = 'collection'"), ("on", "sync = true")]
    {
        rows.add(&echo(key, json!({}))).await;
        rows.execute(&format!("UPDATE workflows SET {change} WHERE \"key\" = '{key}'")).await;
    }
    let server = TestServer::start(&database).await;
    for key in ["unknown", "off", "other", "%00", "..%2Fon", "on%20", "ON"] {
        let response = server.post(key, &json!({})).await;
        assert_eq!(response.status(), 404, "{key}");
        assert_eq!(message_of(response).await, "No enabled webhook workflow has this key.", "{key}");
    }
    assert_eq!(server.post("on", &json!({})).await.status(), 200);
    assert_eq!(server.count(Table::Executions).await, 1);
}

#[tokio::test]
async fn other_methods_are_refused_with_the_one_that_is_allowed() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    for path in ["webhook:trigger", "webhooks"] {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            let url = format!("{}/api/{path}/k", server.url);
            let response = server.client.request(method.clone(), url).send().await.expect("an answer");
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(response.headers()["allow"], "POST", "{method} {path}");
            message_of(response).await;
        }
    }
    assert_eq!(server.count(Table::Executions).await, 0);
}

#[tokio::test]
async fn good_credentials_let_in() {
    let (_database, server) = start(&[]).await;
    let credentials = json!({"username": "ada", "password": "p:ä:s:"});
    server.add(&echo("k", json!({"basicAuthentication": credentials}))).await;
    for authorization in [basic("ada:p:ä:s:"), basic("ada:p:ä:s:").replace("Basic", "bAsIc")] {
        let request = server.client.post(server.trigger_url("k")).header("authorization", &authorization);
        assert_eq!(request.send().await.expect("an answer").status(), 200, "{authorization}");
    }
}

#[tokio::test]
async fn missing_and_wrong_credentials_are_refused_alike() {
    let (_database, server) = start(&[]).await;
    let credentials = json!({"username": "ada", "password": "p:w"});
    server.add(&echo("k", json!({"basicAuthentication": credentials}))).await;
    server.add(&echo("unusable", json!({"basicAuthentication": {"username": "ada"}}))).await;
    let good = basic("ada:p:w");
    let wrong = [
        None,
        Some(basic("ada:p")),
        Some(basic("ada:p:w:")),
        Some(basic("ada:")),
        Some(basic("bob:p:w")),
        Some(basic("Ada:p:w")),
        Some(basic("ada")),
        Some("Basic".to_owned()),
        Some("Basic %%%".to_owned()),
        Some("Bearer p:w".to_owned()),
        Some(good.replace("Basic ", "Digest ")),
    ];
    let mut messages = Vec::new();
    for (key, authorization) in
        wrong.iter().map(|wrong| ("k", wrong)).chain([("unusable", &Some(basic("ada:")))])
    {
        let mut request = server.client.post(server.trigger_url(key));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 401, "{authorization:?}");
        let challenge = response.headers()["www-authenticate"].to_str().expect("ASCII");
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
        messages.push(message_of(response).await);
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(server.count(Table::Executions).await, 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let (_database, server) = start(&[("REQUEST_BODY_LIMIT", "1kb")]).await;
    server.add(&echo("k", picking(json!({"body": [{"key": "length"}]})))).await;
    let head = [b"POST /api/webhooks/k HTTP/1.1".as_slice(), b"content-type: text/plain"];
    for (size, status) in [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413), (BODY_LIMIT * 100, 413)] {
        let body = vec![b'x'; size];
        let length = format!("content-length: {size}");
        let answer = raw::send(&server.url, &[head[0], head[1], length.as_bytes()], &body).await;
        assert_eq!(answer.status, status, "{size} bytes: {answer:?}");
        let encoding = b"transfer-encoding: chunked".as_slice();
        let chunked = raw::chunked(&body, 700);
        let answer = raw::send(&server.url, &[head[0], head[1], encoding], &chunked).await;
        assert_eq!(answer.status, status, "{size} bytes in chunks: {answer:?}");
        if status == 413 {
            assert_eq!(message_in(&answer.body), "The body is larger than 1024 bytes.");
        }
    }
    assert_eq!(server.count(Table::Executions).await, 2);
}

#[tokio::test]
async fn bodies_of_any_type_arrive_and_unknown_encodings_are_refused() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    let types = [
        "application/octet-stream",
        "image/png",
        "application/jsonish",
        "text/plain; charset=utf-7",
        "nonsense",
    ];
    for content_type in types {
        let request = server.client.post(server.trigger_url("k")).header("content-type", content_type);
        let context = context_of(request.body("{}").send().await.expect("an answer")).await;
        let whole = json!({"contentType": content_type, "size": 2, "base64": "e30="});
        assert_eq!(context["data"], whole, "{content_type}");
    }
    for encoding in ["compress", "utf-8"] {
        let request = server.client.post(server.trigger_url("k")).header("content-encoding", encoding);
        let response = request.body("{}").send().await.expect("an answer");
        assert_eq!(response.status(), 415, "{encoding}");
        assert_eq!(response.headers()["accept-encoding"], "gzip, deflate, br, zstd");
        assert!(message_of(response).await.contains(encoding));
    }
    assert_eq!(server.count(Table::Executions).await, types.len() as i64);
}

#[tokio::test]
async fn unreadable_json_is_refused_with_its_place() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    for body in ["{", "{\"secret\":}", "[1,]", "\"secret", "{}{}", &"[".repeat(100_000)] {
        let request = server.client.post(server.trigger_url("k")).header("content-type", "application/json");
        let response = request.body(body.to_owned()).send().await.expect("an answer");
        assert_eq!(response.status(), 400, "{body}");
        let message = message_of(response).await;
        assert!(message.contains("line 1 column"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
    assert_eq!(server.count(Table::Executions).await, 0);
}

/// What a request of the next test has.
#[derive(Clone, Copy, Debug, Default)]
struct Virtues {
    known_key: bool,
    right_method: bool,
    good_credentials: bool,
    small_body: bool,
    known_encoding: bool,
    readable_body: bool,
}

async fn status_of(server: &TestServer, virtues: Virtues) -> u16 {
    let method = if virtues.right_method { "POST" } else { "PUT" };
    let key = if virtues.known_key { "k" } else { "unknown" };
    let line = format!("{method} /api/webhook:trigger/{key} HTTP/1.1");
    let password = if virtues.good_credentials { "ada:pw" } else { "ada:no" };
    let authorization = format!("authorization: {}", basic(password));
    let content_type = "content-type: application/json";
    let encoding = if virtues.known_encoding { "identity" } else { "compress" };
    let encoding = format!("content-encoding: {encoding}");
    let start = if virtues.readable_body { "{}" } else { "{" };
    let size = if virtues.small_body { BODY_LIMIT } else { 2 * BODY_LIMIT };
    let body = format!("{start:size$}");
    let length = format!("content-length: {size}");
    let head = [&*line, &authorization, content_type, &encoding, &length].map(|text| text.as_bytes());
    raw::send(&server.url, &head, body.as_bytes()).await.status
}

#[tokio::test]
async fn of_several_reasons_to_refuse_the_first_counts() {
    let (_database, server) = start(&[("REQUEST_BODY_LIMIT", "1kb")]).await;
    let credentials = json!({"username": "ada", "password": "pw"});
    server.add(&echo("k", json!({"basicAuthentication": credentials}))).await;
    let mut virtues = Virtues::default();
    assert_eq!(status_of(&server, virtues).await, 404);
    virtues.known_key = true;
    assert_eq!(status_of(&server, virtues).await, 405);
    virtues.right_method = true;
    assert_eq!(status_of(&server, virtues).await, 401);
    virtues.good_credentials = true;
    assert_eq!(status_of(&server, virtues).await, 413);
    virtues.small_body = true;
    assert_eq!(status_of(&server, virtues).await, 415);
    virtues.known_encoding = true;
    assert_eq!(status_of(&server, virtues).await, 400);
    virtues.readable_body = true;
    assert_eq!(status_of(&server, virtues).await, 200);
}

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
}

#[tokio::test]
async fn what_a_version_does_not_know_lets_nobody_in_and_is_logged() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    let extensions = [
        ("signed", json!({"signature": {"scheme": "github"}})),
        ("listed", json!({"ipAllowlist": null})),
        ("partial", json!({"context": "part"})),
        ("pathless", json!({"path": "a//b"})),
    ];
    for (key, sidehook) in &extensions {
        rows.add(&echo(key, json!({"sidehook": sidehook}))).await;
    }
    rows.add(&echo("sound", json!({"sidehook": {"context": "full"}}))).await;
    let mut process = Process::serve(&database, &[]).await;
    let client = crate::server::client();
    for (key, _) in &extensions {
        for method in [Method::POST, Method::PUT] {
            let request = client.request(method, process.trigger_url(key));
            let response = request.send().await.expect("an answer");
            assert_eq!(response.status(), 503, "{key}");
            let message = message_of(response).await;
            assert_eq!(message, "The configuration of this webhook cannot be used.", "{key}");
        }
    }
    let sound = client.post(process.trigger_url("sound")).send().await.expect("an answer");
    assert_eq!(sound.status(), 200);
    process.signal("TERM").await;
    assert!(process.ended().await.success());
    let printed = process.printed();
    for (key, _) in &extensions {
        let key = format!("\"workflow.key\":\"{key}\"");
        let lines = printed.lines().filter(|line| line.contains(&key) && line.contains("lets nobody in"));
        assert_eq!(lines.count(), 2, "{key}: {printed}");
    }
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
}

#[tokio::test]
async fn a_search_that_finds_too_much_is_refused() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", picking(json!({"body": [{"key": "$..*..*..*"}]})))).await;
    let body = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
    let request = server.client.post(server.trigger_url("k")).header("content-type", "application/json");
    let response = request.body(body).send().await.expect("an answer");
    assert_eq!(response.status(), 400);
    assert!(message_of(response).await.contains("JSONPath"));
    assert_eq!(server.count(Table::Executions).await, 0);
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
}

/// A body of many small values takes up to 30 times its bytes.
#[tokio::test]
async fn what_takes_more_memory_than_there_is_is_refused() {
    let (_database, server) = start(&[("SIDEHOOK_MEMORY", "4mb")]).await;
    server.add(&echo("k", picking(json!({"body": [{"key": "length"}]})))).await;
    let send = async |items: usize| {
        let body = format!("[{}{{}}]", "{},".repeat(items - 1));
        let request = server.client.post(server.trigger_url("k")).header("content-type", "application/json");
        request.body(body).send().await.expect("an answer")
    };
    for _ in 0..3 {
        // Its memory is given back each time.
        assert_eq!(context_of(send(15_000).await).await["body"], json!({"length": 15_000}));
    }
    let response = send(60_000).await;
    assert_eq!(response.status(), 413);
    assert!(message_of(response).await.contains("memory"));
    assert_eq!(server.count(Table::Executions).await, 3);
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_an_error_that_the_job_tells() {
    let (_database, server) = start(&[]).await;
    let headers = json!([{"name": "{{$context.body.name}}", "value": "{{$context.body.value}}"}]);
    let status = "{{$context.body.status}}";
    let answer = node("answer", "response", json!({"statusCode": status, "headers": headers}));
    let trigger = picking(json!({"body": [{"key": "name"}, {"key": "value"}, {"key": "status"}]}));
    let hook = workflow("k", true, &trigger, &[answer]);
    server.add(&hook).await;
    let configured = json!({"statusCode": 202, "headers": headers});
    let mut async_trigger = trigger.clone();
    async_trigger["response"] = configured;
    server.add(&workflow("async", false, &async_trigger, &[])).await;
    // A redirection would be followed by the client.
    let send = async |key: &str, name: &str, value: Value| {
        let status = if value.is_null() { 302 } else { 201 };
        let body = json!({"name": name, "value": value, "status": status});
        server.client.post(server.trigger_url(key)).json(&body).send().await.expect("an answer")
    };
    let created = send("k", "Location", json!("https://a.example/größe ✓")).await;
    assert_eq!(created.status(), 201);
    assert_eq!(created.headers()["location"], "https://a.example/gr%C3%B6%C3%9Fe%20%E2%9C%93");
    let wrong = [
        ("X-Wide", json!("✓"), "its value has characters beyond ISO 8859-1"),
        ("X-Break", json!("a\r\nb: c"), "its value has line breaks or other control characters"),
        ("X Y", json!("a"), "its name has characters that names of headers cannot have"),
        ("location", Value::Null, "it has no value, so nobody is told where to go"),
    ];
    for (i, (name, value, reason)) in wrong.into_iter().enumerate() {
        assert_eq!(send("k", name, value.clone()).await.status(), 500, "{name}");
        let jobs = server.query("SELECT status, result FROM jobs ORDER BY id DESC LIMIT 1").await;
        let (status, result): (i32, String) =
            (jobs[0].try_get_by_index(0).expect("a status"), jobs[0].try_get_by_index(1).expect("a text"));
        let result: Value = serde_json::from_str(&result).expect("JSON");
        let message = format!("The header {name:?} of the response cannot be sent: {reason}.");
        assert_eq!((status, result), (-2, json!({"message": message})), "{name}");
        assert_eq!(server.executions(hook.id).await.len(), i + 2);
        if name != "location" {
            assert_eq!(send("async", name, value).await.status(), 500, "{name}");
        }
    }
}

/// Everything that could be told to a log is in it: a request that is let in and recorded, one of each kind that is
/// refused, an execution that fails.
async fn printed_with_secrets() -> String {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    let credentials = json!({"username": "ada", "password": "secret-1"});
    let trigger = json!({
        "basicAuthentication": credentials,
        "request": {"headers": [{"key": "x-own"}], "query": [{"key": "q"}], "body": [{"key": "b"}]},
    });
    let nodes = [
        node("keep", "variable", json!({"value": "{{$context}}"})),
        node("bad", "variable", json!({"value": "{{$context.body.b.map}}"})),
    ];
    rows.add(&workflow("sync", true, &trigger, &nodes)).await;
    rows.add(&workflow("async", false, &trigger, &nodes)).await;
    let mut process = Process::serve(&database, &[("SIDEHOOK_LOG", "trace")]).await;
    let client = crate::server::client();
    for key in ["sync", "async", "secret-6"] {
        for (password, body) in
            [("secret-1", r#"{"b":["secret-2"]}"#), ("secret-3", "{}"), ("secret-1", r#"{"b":"secret-2"#)]
        {
            let request = client.post(format!("{}?q=secret-4", process.trigger_url(key)));
            let request = request.header("authorization", basic(&format!("ada:{password}")));
            let request = request.header("content-type", "application/json").header("x-own", "secret-5");
            request.body(body).send().await.expect("an answer");
        }
    }
    process.signal("TERM").await;
    assert!(process.ended().await.success());
    process.printed()
}

#[tokio::test]
async fn credentials_and_contents_of_requests_are_never_logged() {
    let printed = printed_with_secrets().await;
    assert!(printed.contains("node has run"), "the log tells too little for this test:\n{printed}");
    let encoded = [basic("ada:secret-1"), basic("ada:secret-3")];
    let encoded = encoded.iter().filter_map(|text| text.split(' ').nth(1));
    for secret in ["secret-1", "secret-2", "secret-3", "secret-4", "secret-5"].into_iter().chain(encoded) {
        let line = printed.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was logged");
    }
}
