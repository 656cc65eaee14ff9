//! Request nodes over real connections: limits, keys, certificates, and what a result never holds.

mod guard;
mod proxied;
mod proxy;
mod server;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use entity::status::job::ABORTED;
use futures_util::future::BoxFuture;
use rustls::pki_types::CertificateDer;

use self::server::{Server, dripping, ok, redirect, tls_server};
use super::*;
use crate::expr::json;
use crate::outbound::{Policy, Proxies, Resolve, Settings, certificates};

/// Answers look-ups from lists: each name gives its answers one after the other, the last one for ever.
#[derive(Default)]
struct Names(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

impl Names {
    fn new(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let parsed = |answer: &&[&str]| answer.iter().map(|text| text.parse().expect("an address")).collect();
        let names =
            names.iter().map(|(name, answers)| ((*name).to_owned(), answers.iter().map(parsed).collect()));
        Arc::new(Self(Mutex::new(names.collect())))
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().expect("the names");
        let answer = match names.get_mut(host) {
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(io::Error::other("failed to lookup address information: Name or service not known")),
        };
        Box::pin(async move { answer })
    }
}

fn settings(policy: Policy) -> Settings {
    let proxies = Proxies::default();
    Settings { policy, proxies, response_limit: 1000, time_limit: Duration::from_secs(60) }
}

fn client(policy: Policy, resolver: Arc<Names>) -> Client {
    let settings = settings(policy);
    Client::with_resolver(&settings, Vec::new(), resolver).expect("a client")
}

fn any_client() -> Client {
    client(Policy::default(), Names::new(&[]))
}

fn private_refused() -> Policy {
    Policy { refuse_private: true, ..Policy::default() }
}

/// The status and the result of a request with this configuration, written as JSON.
async fn settle(client: &Client, config: &str) -> (i32, Value) {
    let node: Request = serde_json::from_str(config).expect(config);
    let rendered = node.render(&Scope::of_context(Value::Null)).expect("nothing to fill in");
    let marks = Marks { effect_key: "7:node:1".to_owned(), traceparent: None };
    let settled = rendered.settle(client, &Files::none(), &marks).await;
    (settled.status, settled.result)
}

async fn get(client: &Client, url: &str) -> (i32, Value) {
    settle(client, &format!(r#"{{"method":"GET","url":{},"onlyData":true}}"#, serde_json::json!(url))).await
}

fn message(result: &Value) -> String {
    result.member("message").as_str().unwrap_or_default().to_owned()
}

fn code(result: &Value) -> String {
    result.member("code").as_str().unwrap_or_default().to_owned()
}

#[test]
fn timeouts_are_read_as_by_axios() {
    let read =
        |value: Value| timeout(&value).map(|read| read.map(|read| (read.duration.as_millis(), read.text)));
    let some = |milliseconds: u128, text: &str| Some((milliseconds, text.to_owned()));
    assert_eq!(read(Value::Undefined).expect("a default"), some(5000, "5000"));
    assert_eq!(read(Value::from("250ms")).expect("digits"), some(250, "250ms"));
    assert_eq!(read(Value::from(1.9)).expect("a number"), some(1, "1.9"));
    assert_eq!(read(Value::from(-5)).expect("a number"), some(0, "-5"));
    for none in [Value::Null, Value::from(0), Value::from(""), Value::from(false)] {
        assert_eq!(read(none).expect("no limit"), None);
    }
    let failure = read(Value::from("soon")).expect_err("no number");
    assert_eq!(failure.code.as_deref(), Some("ERR_BAD_OPTION_VALUE"));
}

#[tokio::test]
async fn long_answers_are_refused_packed_or_not() {
    let server = Server::start(|path| match path {
        "/fits" => ok("x".repeat(1000)),
        "/long" => ok("x".repeat(1001)),
        _ => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packed.write_all(&[b'x'; 100_000]).expect("written");
            let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n";
            [head.to_vec(), packed.finish().expect("finished")].concat()
        }
    })
    .await;
    let url = |path: &str| format!("http://127.0.0.1:{}/{path}", server.port);
    let client = any_client();
    assert_eq!(get(&client, &url("fits")).await.0, RESOLVED);
    for path in ["long", "packed"] {
        let (status, result) = get(&client, &url(path)).await;
        let expected = (FAILED, "maxContentLength size of 1000 exceeded".to_owned());
        assert_eq!((status, message(&result)), expected, "{path}");
    }
}

#[tokio::test]
async fn silence_ends_a_request() {
    let server = Server::start(|path| match path {
        "/never" => "…".into(),
        "/stalled" => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc…".into(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec(),
    })
    .await;
    let config = |path: &str, ignore: bool| {
        let url = format!("http://127.0.0.1:{}/{path}", server.port);
        format!(r#"{{"method":"GET","url":"{url}","timeout":100,"ignoreFail":{ignore}}}"#)
    };
    let client = any_client();
    let (status, result) = settle(&client, &config("never", false)).await;
    assert_eq!((status, message(&result).as_str()), (ABORTED, "timeout of 100ms exceeded"));
    assert_eq!(settle(&client, &config("never", true)).await.0, RESOLVED);
    for path in ["stalled", "cut"] {
        let (status, result) = settle(&client, &config(path, false)).await;
        let expected = r#"{"message":"stream has been aborted","code":"ERR_BAD_RESPONSE","status":200,"statusText":"OK"}"#;
        assert_eq!((status, json::stringify_or_null(&result).as_str()), (FAILED, expected), "{path}");
    }
}

#[tokio::test]
async fn requests_carry_a_key_unless_one_is_configured() {
    let server = Server::start(|_| ok("")).await;
    let client = any_client();
    let url = format!("http://127.0.0.1:{}/", server.port);
    settle(&client, &format!(r#"{{"url":"{url}","data":{{"a":1}}}}"#)).await;
    let own = r#"[{"name":"idempotency-key","value":"mine"}]"#;
    settle(&client, &format!(r#"{{"url":"{url}","headers":{own}}}"#)).await;
    let keys: Vec<String> = server
        .requests()
        .iter()
        .flat_map(|request| request.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.to_lowercase().starts_with("idempotency-key"))
        .collect();
    assert_eq!(keys, ["Idempotency-Key: 7:node:1", "Idempotency-Key: mine"]);
}

#[tokio::test]
async fn nothing_of_the_request_enters_the_result() {
    let server = Server::start(|path| match path.split('?').next() {
        Some("/no") => b"HTTP/1.1 500 Broken\r\nConnection: close\r\n\r\n{}".to_vec(),
        Some("/away") => redirect("http://169.254.169.254/"),
        _ => Vec::new(),
    })
    .await;
    let client = any_client();
    let base = format!("http://user:hunter2@127.0.0.1:{}", server.port);
    let urls = [format!("{base}/no"), format!("{base}/away"), format!("{base}/close")];
    let others = [
        "http://user:hunter2@127.0.0.1:1/",
        "http:user:hunter2@x",
        "http://hunter2@x:y/",
        "http://x.invalid/",
    ];
    for url in urls.iter().map(String::as_str).chain(others) {
        let config = format!(
            r#"{{"url":"{url}?t=hunter2","headers":[{{"name":"Authorization","value":"hunter2"}}],
                "params":[{{"name":"t","value":"hunter2"}}],"data":{{"p":"hunter2"}}}}"#
        );
        let (status, result) = settle(&client, &config).await;
        assert_eq!(status, FAILED, "{url}");
        let text = json::stringify_or_null(&result);
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{url}: {text}");
    }
}

/// The one that has signed the certificate of [`tls_server`].
fn authority() -> Vec<CertificateDer<'static>> {
    certificates(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/ca.pem")).expect("a certificate")
}

/// The certificate in `tests/tls` is that of `named.test`, signed by `ca.pem` there.
#[tokio::test]
async fn servers_need_a_certificate_that_is_trusted_and_theirs() {
    let server = Server::start_with(Some(tls_server()), |_| ok("secret")).await;
    let names = || Names::new(&[("named.test", &[&["127.0.0.1"]]), ("other.test", &[&["127.0.0.1"]])]);
    let settings = settings(Policy::default());
    let trusting = Client::with_resolver(&settings, authority(), names()).expect("a client");
    let url = |host: &str| format!("https://{host}:{}/", server.port);
    let (status, result) = get(&trusting, &url("named.test")).await;
    assert_eq!((status, result.as_str()), (RESOLVED, Some("secret")), "{result:?}");
    for host in ["other.test", "127.0.0.1"] {
        assert_eq!(code(&get(&trusting, &url(host)).await.1), "ERR_TLS_CERT_ALTNAME_INVALID", "{host}");
    }
    let distrusting = client(Policy::default(), names());
    assert_eq!(code(&get(&distrusting, &url("named.test")).await.1), "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn names_that_do_not_exist_are_told_as_by_node() {
    let (status, result) = get(&any_client(), "http://nobody.test/").await;
    let expected = r#"{"message":"getaddrinfo ENOTFOUND nobody.test","code":"ENOTFOUND"}"#;
    assert_eq!((status, json::stringify_or_null(&result).as_str()), (FAILED, expected));
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_whatever_the_timeout_of_the_node() {
    let (port, _tasks) = dripping().await;
    let short = Settings { time_limit: Duration::from_millis(300), ..settings(Policy::default()) };
    let client = Client::new(&short, Vec::new()).expect("a client");
    for timeout in [0, 60_000] {
        let config =
            format!(r#"{{"url": "http://127.0.0.1:{port}/", "method": "GET", "timeout": {timeout}}}"#);
        let (status, result) = settle(&client, &config).await;
        let expected = r#"{"message":"timeout of 300ms exceeded","code":"ECONNABORTED"}"#;
        assert_eq!((status, json::stringify_or_null(&result).as_str()), (ABORTED, expected), "{timeout}");
    }
}
