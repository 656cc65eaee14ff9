//! Who is let in, over HTTP: the order of refusals, addresses behind proxies, keys by URL, pages of other origins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as URL_SAFE};
use entity::Table;
use futures_util::future::join_all;
use reqwest::{Method, Response};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::server::TestServer;

/// Tests call from here, as a proxy would.
const PROXY: (&str, &str) = ("SIDEHOOK_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8");

async fn start(settings: &[(&str, &str)]) -> (TestDatabase, TestServer) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, settings).await;
    (database, server)
}

/// A workflow that answers with its context.
fn echo(key: &str, trigger: &Value) -> NewWorkflow {
    workflow(key, true, trigger, &[node("answer", "response", json!({"body": "{{$context}}"}))])
}

async fn send(
    server: &TestServer,
    method: &str,
    key: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let method: Method = method.parse().expect("a method");
    let mut request = server.client.request(method, server.trigger_url(key)).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("the server answers")
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("ASCII"))
}

/// A trigger that can refuse a request for every reason.
fn strict() -> Value {
    json!({
        "basicAuthentication": {"username": "ada", "password": "pw"},
        "sidehook": {
            "methods": ["PUT"],
            "ipAllowlist": ["198.51.100.7"],
            "rateLimit": {"requests": 1, "per": "1h", "by": {"header": "x-tenant"}},
            "auth": {"header": "x-key", "value": "s3cret"},
            "bodyLimit": 8,
            "cors": {"origins": ["https://shop.example"]},
        },
    })
}

#[tokio::test]
async fn refusals_come_in_their_order_and_can_be_mended_one_by_one() {
    let (_database, server) = start(&[PROXY]).await;
    server.add(&echo("k", &strict())).await;
    assert_eq!(send(&server, "POST", "k", &[], "").await.status(), 405);
    let basic = format!("Basic {}", STANDARD.encode("ada:pw"));
    // The one who has used up what it may send.
    let greedy = [("x-forwarded-for", "198.51.100.7"), ("x-tenant", "greedy")];
    assert_eq!(send(&server, "PUT", "k", &greedy, "").await.status(), 401);

    let origin = ("origin", "https://shop.example");
    let mut headers = vec![
        origin,
        ("x-forwarded-for", "198.51.100.8"),
        ("x-tenant", "greedy"),
        ("authorization", "Basic eDp5"),
        ("x-key", "wrong"),
        ("content-encoding", "snappy"),
        ("content-type", "application/json"),
    ];
    let long = "{ far too long";
    assert_eq!(send(&server, "POST", "unknown", &headers, long).await.status(), 404);
    let asking = [&headers[..], &[("access-control-request-method", "PUT")]].concat();
    let preflight = send(&server, "OPTIONS", "k", &asking, "").await;
    assert_eq!(
        (preflight.status().as_u16(), header(&preflight, "access-control-allow-origin")),
        (204, origin.1)
    );

    let method = send(&server, "POST", "k", &headers, long).await;
    assert_eq!((method.status().as_u16(), header(&method, "allow")), (405, "PUT"));
    assert_eq!(header(&method, "access-control-allow-origin"), origin.1, "a page can read refusals");
    assert_eq!(send(&server, "PUT", "k", &headers, long).await.status(), 403);
    headers[1].1 = "198.51.100.7";
    let rate = send(&server, "PUT", "k", &headers, long).await;
    assert_eq!(rate.status(), 429);
    let seconds: u64 = header(&rate, "retry-after").parse().expect("seconds");
    assert!((3000..=3600).contains(&seconds), "{seconds}");
    assert_eq!(header(&rate, "ratelimit-policy"), r#""webhook";q=1;w=3600"#);
    assert_eq!(header(&rate, "ratelimit"), format!(r#""webhook";r=0;t={seconds}"#));
    headers[2].1 = "a";
    let wrong_basic = send(&server, "PUT", "k", &headers, long).await;
    assert_eq!(wrong_basic.status(), 401);
    assert!(header(&wrong_basic, "www-authenticate").starts_with("Basic "));
    (headers[2].1, headers[3].1) = ("b", &basic);
    let wrong_key = send(&server, "PUT", "k", &headers, long).await;
    assert_eq!(
        (wrong_key.status().as_u16(), header(&wrong_key, "www-authenticate")),
        (401, "ApiKey realm=\"webhook\"")
    );
    (headers[2].1, headers[4].1) = ("c", "s3cret");
    assert_eq!(send(&server, "PUT", "k", &headers, long).await.status(), 413);
    headers[2].1 = "d";
    assert_eq!(send(&server, "PUT", "k", &headers, "{").await.status(), 415);
    (headers[2].1, headers[5].1) = ("e", "identity");
    assert_eq!(send(&server, "PUT", "k", &headers, "{").await.status(), 400);
    headers[2].1 = "f";
    let let_in = send(&server, "PUT", "k", &headers, "{\"a\":1}").await;
    assert_eq!((let_in.status().as_u16(), header(&let_in, "access-control-allow-origin")), (200, origin.1));
    let context: Value = let_in.json().await.expect("the context as JSON");
    assert_eq!((&context["data"]["a"], &context["headers"]["x-key"]), (&json!(1), &Value::Null));
    assert_eq!(server.count(Table::Executions).await, 1);
    server.stop().await;
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_says_who_has_called() {
    let only = json!({"sidehook": {"ipAllowlist": ["198.51.100.7", "127.0.0.9"]}});
    let (_database, believing) = start(&[PROXY]).await;
    believing.add(&echo("k", &only)).await;
    for (hops, status) in [
        ("198.51.100.7", 200),
        ("203.0.113.1, 198.51.100.7", 200),
        ("198.51.100.7, 10.1.2.3", 200),
        ("198.51.100.7, 203.0.113.1", 403),
        ("198.51.100.7, unknown", 403),
    ] {
        let response = send(&believing, "POST", "k", &[("x-forwarded-for", hops)], "").await;
        assert_eq!(response.status(), status, "{hops}");
    }
    let forwarded = send(&believing, "POST", "k", &[("forwarded", "for=198.51.100.7")], "").await;
    assert_eq!(forwarded.status(), 403, "the other header comes from whoever has called");
    let (_database, standard) = start(&[PROXY, ("SIDEHOOK_PROXY_HEADER", "forwarded")]).await;
    standard.add(&echo("k", &only)).await;
    let forwarded =
        [("forwarded", "for=\"198.51.100.7:99\";proto=https"), ("x-forwarded-for", "203.0.113.1")];
    assert_eq!(send(&standard, "POST", "k", &forwarded, "").await.status(), 200);
    let (_database, alone) = start(&[]).await;
    alone.add(&echo("k", &only)).await;
    assert_eq!(send(&alone, "POST", "k", &[("x-forwarded-for", "198.51.100.7")], "").await.status(), 403);
    for server in [believing, standard, alone] {
        server.stop().await;
    }
}

#[tokio::test]
async fn an_address_that_fails_too_often_has_to_wait() {
    let (_database, server) = start(&[PROXY, ("SIDEHOOK_FAILURE_LIMIT", "4")]).await;
    server.add(&echo("k", &json!({}))).await;
    server.add(&echo("locked", &json!({"sidehook": {"auth": {"bearer": "t"}}}))).await;
    let bad = [("x-forwarded-for", "203.0.113.9")];
    for (key, status) in [("nobody", 404), ("locked", 401), ("nobody", 404), ("locked", 401), ("locked", 401)]
    {
        assert_eq!(send(&server, "POST", key, &bad, "").await.status(), status);
    }
    for key in ["nobody", "locked", "k"] {
        let response = send(&server, "POST", key, &bad, "").await;
        assert_eq!(response.status(), 429, "{key}");
        let seconds: u64 = header(&response, "retry-after").parse().expect("seconds");
        assert!((1..=15).contains(&seconds), "{seconds}");
    }
    let good = [("x-forwarded-for", "203.0.113.10")];
    assert_eq!(send(&server, "POST", "k", &good, "").await.status(), 200, "others are not kept waiting");
    // The proxy itself may stand for anybody.
    for _ in 0..10 {
        assert_eq!(send(&server, "POST", "nobody", &[], "").await.status(), 404);
    }
    server.stop().await;
}

#[tokio::test]
async fn other_methods_run_the_workflow() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", &json!({"sidehook": {"methods": ["GET", "DELETE"]}}))).await;
    let get = send(&server, "GET", "k", &[("content-type", "application/json")], "{ no JSON").await;
    assert_eq!(get.status(), 200);
    let context: Value = get.json().await.expect("the context as JSON");
    assert_eq!(context.get("data"), None, "a GET has no body");
    let head = send(&server, "HEAD", "k", &[], "").await;
    assert_eq!((head.status().as_u16(), &*head.text().await.expect("no body")), (200, ""));
    let delete = send(&server, "DELETE", "k", &[("content-type", "application/json")], "[5]").await;
    assert_eq!(delete.json::<Value>().await.expect("JSON")["data"], json!([5]));
    let post = send(&server, "POST", "k", &[], "").await;
    assert_eq!((post.status().as_u16(), header(&post, "allow")), (405, "GET, HEAD, DELETE"));
    assert_eq!(server.count(Table::Executions).await, 3);
    server.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_answered_as_nocobase_answers_them() {
    let (origin, asks) = (("origin", "https://shop.example"), ("access-control-request-method", "POST"));
    let allowed = |response: &Response| header(response, "access-control-allow-origin").to_owned();
    let (_database, open) = start(&[]).await;
    open.add(&echo("k", &json!({}))).await;
    open.add(&echo("off", &json!({"sidehook": {"cors": false}}))).await;
    open.add(&echo("broken", &json!({"sidehook": {"cors": true}}))).await;
    let preflight =
        send(&open, "OPTIONS", "k", &[origin, asks, ("access-control-request-headers", "x-a")], "").await;
    assert_eq!((preflight.status().as_u16(), &*allowed(&preflight)), (204, origin.1));
    assert_eq!(header(&preflight, "access-control-allow-methods"), "GET,HEAD,PUT,POST,DELETE,PATCH");
    assert_eq!(header(&preflight, "access-control-allow-headers"), "x-a");
    assert_eq!(header(&preflight, "vary"), "Origin");
    let post = send(&open, "POST", "k", &[origin], "").await;
    assert_eq!((post.status().as_u16(), &*allowed(&post)), (200, origin.1));
    assert_eq!(header(&post, "access-control-allow-credentials"), "");
    let unknown = send(&open, "POST", "unknown", &[origin], "").await;
    assert_eq!((unknown.status().as_u16(), &*allowed(&unknown)), (404, origin.1));
    for (key, status) in [("off", 405), ("unknown", 404), ("broken", 503)] {
        assert_eq!(send(&open, "OPTIONS", key, &[origin, asks], "").await.status(), status, "{key}");
    }
    assert_eq!(send(&open, "OPTIONS", "k", &[], "").await.status(), 405, "no preflight");

    let (_database, listed) = start(&[("CORS_ORIGIN_WHITELIST", "https://shop.example")]).await;
    listed.add(&echo("k", &json!({}))).await;
    let post = send(&listed, "POST", "k", &[origin], "").await;
    assert_eq!((&*allowed(&post), header(&post, "access-control-allow-credentials")), (origin.1, "true"));
    let other = send(&listed, "POST", "k", &[("origin", "https://other.example")], "").await;
    assert_eq!((other.status().as_u16(), &*allowed(&other)), (200, ""), "who is no browser is not kept out");
    assert_eq!(listed.count(Table::Executions).await, 2);
    open.stop().await;
    listed.stop().await;
}

/// A server that answers everything with one set of keys, and counts.
struct KeyServer {
    url: String,
    asked: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl KeyServer {
    /// `status` is the status of its answers.
    async fn start(status: u16, keys: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("a bound port"));
        let asked = Arc::new(AtomicUsize::new(0));
        let body = json!({"keys": [keys]}).to_string();
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let (mut server, count) = (JoinSet::new(), asked.clone());
        server.spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut space = [0; 4096];
                let _ = socket.read(&mut space).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, asked, _server: server }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A key pair, and its public part as it stands in a set.
fn key_pair(id: &str) -> (EcdsaKeyPair, Value) {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).expect("a key");
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let [x, y] = [x, y].map(|part| URL_SAFE.encode(part));
    let public = json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": x, "y": y});
    (pair, public)
}

fn bearer(pair: &EcdsaKeyPair, id: &str) -> String {
    let header = URL_SAFE.encode(json!({"alg": "ES256", "kid": id}).to_string());
    let claims = URL_SAFE.encode(json!({"exp": 9_999_999_999_u64, "iss": "id"}).to_string());
    let signed = format!("{header}.{claims}");
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
    format!("Bearer {signed}.{}", URL_SAFE.encode(signature))
}

fn by_keys(key: &str, url: &str) -> NewWorkflow {
    let jwt = json!({"algorithms": ["ES256"], "jwks": url, "issuer": "id"});
    echo(key, &json!({"sidehook": {"auth": {"jwt": jwt}}}))
}

#[tokio::test]
async fn keys_by_url_are_fetched_once_for_all_and_not_for_those_who_have_no_token() {
    let (_database, server) = start(&[]).await;
    let ((pair, public), (other, _)) = (key_pair("a"), key_pair("a"));
    let keys = KeyServer::start(200, public).await;
    server.add(&by_keys("k", &keys.url)).await;
    for none in ["", "Bearer x", "Bearer a.b.c"] {
        let refused = send(&server, "POST", "k", &[("authorization", none)], "").await;
        assert_eq!(refused.status(), 401, "{none}");
    }
    assert_eq!(keys.asked(), 0);
    let good = bearer(&pair, "a");
    let authorization = [("authorization", &*good)];
    let answers = join_all((0..20).map(|_| send(&server, "POST", "k", &authorization, ""))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200), "{answers:?}");
    assert_eq!(keys.asked(), 1);
    let forged = send(&server, "POST", "k", &[("authorization", &*bearer(&other, "a"))], "").await;
    assert_eq!(forged.status(), 401);
    for id in ["b", "c"] {
        let unknown = send(&server, "POST", "k", &[("authorization", &*bearer(&pair, id))], "").await;
        assert_eq!(unknown.status(), 401, "{id}");
    }
    assert_eq!(keys.asked(), 1, "the set is young enough that such a key would be in it");
    assert_eq!(server.count(Table::Executions).await, 20);
    server.stop().await;
}

#[tokio::test]
async fn who_cannot_be_judged_is_asked_to_come_again() {
    let (_database, server) = start(&[]).await;
    let (pair, public) = key_pair("a");
    let authorization = bearer(&pair, "a");
    let away = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gone = format!("http://{}/keys", away.local_addr().expect("a bound port"));
    drop(away);
    let (broken, redirect) =
        (KeyServer::start(500, public.clone()).await, KeyServer::start(302, public).await);
    let large = KeyServer::start(200, json!("x".repeat(300_000))).await;
    let urls = [("broken", &broken.url), ("redirect", &redirect.url), ("large", &large.url), ("gone", &gone)];
    for (key, url) in urls {
        server.add(&by_keys(key, url)).await;
        for _ in 0..3 {
            let response = send(&server, "POST", key, &[("authorization", &*authorization)], "").await;
            assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "2"), "{key}");
        }
    }
    for server in [broken, redirect, large] {
        assert_eq!(server.asked(), 1, "a failure is remembered for a moment");
    }
    assert_eq!(server.count(Table::Executions).await, 0);
    server.stop().await;
}
