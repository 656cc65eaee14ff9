use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use entity::status::job::ABORTED;
use futures_util::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::expr::json;
use crate::outbound::{Policy, Resolve, Settings, certificates};

/// A server on all addresses of this machine that answers each request with what `answer` makes of its path,
/// then closes the connection; nothing closes it for an answer that ends with `…`.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer).await
    }

    async fn start_with(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (seen, answer, tls) = (seen.clone(), answer.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(tcp, &seen, &*answer).await,
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(stream) => serve(stream, &seen, &*answer).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        });
        Self { port, requests, _tasks: tasks }
    }

    /// The heads and bodies of the requests so far.
    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("the list").clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: &Mutex<Vec<String>>,
    answer: &(impl Fn(&str) -> Vec<u8> + ?Sized),
) -> io::Result<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().expect("the list").push(request);
    let answer = answer(&path);
    if let Some(answer) = answer.strip_suffix("…".as_bytes()) {
        stream.write_all(answer).await?;
        stream.flush().await?;
        std::future::pending::<()>().await;
    }
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", body.as_ref()].concat()
}

fn redirect(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: {location}\r\n\r\n").into_bytes()
}

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
    Settings { policy, response_limit: 1000, time_limit: Duration::from_secs(60) }
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
    let settled = rendered.settle(client, &Files::none(), "7:node:1").await;
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
async fn names_that_lead_to_metadata_are_refused() {
    let names: [(&str, &[&[&str]]); 4] = [
        ("metadata.google.internal", &[&["169.254.169.254"]]),
        ("mapped.test", &[&["::ffff:169.254.169.254"]]),
        ("nat64.test", &[&["64:ff9b::a9fe:a9fe"]]),
        ("link.test", &[&["fe80::1", "169.254.0.1"]]),
    ];
    let client = client(Policy::default(), Names::new(&names));
    for (name, _) in names {
        let (status, result) = get(&client, &format!("http://{name}/")).await;
        let expected = format!(
            "Outbound request to \"{name}\" is blocked because it leads to a link-local or cloud metadata address."
        );
        assert_eq!((status, message(&result)), (FAILED, expected));
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_a_connection_and_judged_each_time() {
    let server = Server::start(|_| ok("reached")).await;
    let names = Names::new(&[("rebound.test", &[&["127.0.0.1"], &["169.254.169.254"]])]);
    let client = client(Policy::default(), names);
    let url = format!("http://rebound.test:{}/", server.port);
    let (status, result) = get(&client, &url).await;
    assert_eq!((status, result.as_str()), (RESOLVED, Some("reached")));
    let (status, result) = get(&client, &url).await;
    assert!(status == FAILED && message(&result).contains("metadata"), "{result:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn only_the_addresses_that_pass_are_connected_to() {
    let server = Server::start(|_| ok("reached")).await;
    let names = Names::new(&[("mixed.test", &[&["169.254.169.254", "127.0.0.1"]])]);
    let (status, _) =
        get(&client(Policy::default(), names), &format!("http://mixed.test:{}/", server.port)).await;
    assert_eq!(status, RESOLVED);
}

#[tokio::test]
async fn redirects_do_not_lead_to_metadata() {
    let server = Server::start(|path| redirect(path.trim_start_matches('/'))).await;
    let names = Names::new(&[("start.test", &[&["127.0.0.1"]]), ("trick.test", &[&["169.254.169.254"]])]);
    let client = client(Policy::default(), names);
    for host in [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "start.test@169.254.169.254",
        "trick.test",
        "start.test:80@trick.test",
    ] {
        let url = format!("http://start.test:{}/http://{host}/latest", server.port);
        let (status, result) = get(&client, &url).await;
        assert_eq!((status, code(&result)), (FAILED, "ERR_FR_REDIRECTION_FAILURE".to_owned()), "{host}");
        assert!(
            message(&result).starts_with("Redirected request failed: Outbound request to "),
            "{result:?}"
        );
    }
    assert_eq!(server.requests().len(), 10);
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_form() {
    let server = Server::start(|_| ok("reached")).await;
    let names = Names::new(&[
        ("localhost", &[&["127.0.0.1"]]),
        ("localhost.", &[&["::1", "127.0.0.1"]]),
        ("lan.test", &[&["192.168.1.1"]]),
        ("nat.test", &[&["100.64.0.1"]]),
    ]);
    let hosts = [
        "localhost",
        "localhost.",
        "LOCALHOST",
        "lan.test",
        "nat.test",
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "example.com@127.0.0.1",
        "127。0。0。1",
    ];
    let client = client(private_refused(), names);
    for host in hosts {
        let (status, result) = get(&client, &format!("http://{host}:{}/", server.port)).await;
        assert!(
            status == FAILED && message(&result).contains("SIDEHOOK_REQUEST_PRIVATE"),
            "{host}: {result:?}"
        );
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn private_addresses_are_open_by_default() {
    let server = Server::start(|_| ok("reached")).await;
    let client = client(Policy::default(), Names::new(&[("app", &[&["127.0.0.1"]])]));
    for host in ["app", "127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]"] {
        let (status, result) = get(&client, &format!("http://{host}:{}/", server.port)).await;
        assert_eq!(status, RESOLVED, "{host}: {result:?}");
    }
}

#[tokio::test]
async fn the_whitelist_holds_for_every_hop() {
    let server = Server::start(|path| if path == "/" { ok("reached") } else { redirect(&path[1..]) }).await;
    let names = Names::new(&[("good.test", &[&["127.0.0.1"]]), ("bad.test", &[&["127.0.0.1"]])]);
    let client = client(Policy { whitelist: "good.test".to_owned(), ..Policy::default() }, names);
    let port = server.port;
    assert_eq!(get(&client, &format!("http://good.test:{port}/")).await.0, RESOLVED);
    let (_, result) = get(&client, &format!("http://bad.test:{port}/")).await;
    let text = "Outbound request to \"bad.test\" is blocked. Add it to SERVER_REQUEST_WHITELIST to allow this request.";
    assert_eq!((message(&result).as_str(), code(&result).as_str()), (text, ""));
    let (_, result) = get(&client, &format!("http://good.test:{port}/http://bad.test:{port}/")).await;
    assert_eq!(message(&result), format!("Redirected request failed: {text}"));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn redirects_end_after_twenty_one() {
    let server = Server::start(|path| match path[1..].parse::<u32>() {
        Ok(0) | Err(_) => ok("there"),
        Ok(left) => redirect(&format!("/{}", left - 1)),
    })
    .await;
    let url = |count: u32| format!("http://127.0.0.1:{}/{count}", server.port);
    let client = any_client();
    assert_eq!(get(&client, &url(21)).await.0, RESOLVED);
    let (_, result) = get(&client, &url(22)).await;
    assert_eq!(code(&result), "ERR_FR_TOO_MANY_REDIRECTS");
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

fn tls_server() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../../../tests/tls/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/tls/server.key"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("a certificate")], key.expect("a key"))
        .expect("a configuration");
    TlsAcceptor::from(Arc::new(config))
}

/// The certificate in `tests/tls` is that of `named.test`, signed by `ca.pem` there.
#[tokio::test]
async fn servers_need_a_certificate_that_is_trusted_and_theirs() {
    let server = Server::start_with(Some(tls_server()), |_| ok("secret")).await;
    let names = || Names::new(&[("named.test", &[&["127.0.0.1"]]), ("other.test", &[&["127.0.0.1"]])]);
    let ca =
        certificates(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/ca.pem")).expect("a certificate");
    let settings = settings(Policy::default());
    let trusting = Client::with_resolver(&settings, ca, names()).expect("a client");
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

/// A server that sends the head of an answer and then a byte now and then, for ever.
async fn dripping() -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !is_whole(&request) && tcp.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
            let mut sent = tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                sent = tcp.write_all(b" ").await;
            }
        }
    });
    (port, tasks)
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
