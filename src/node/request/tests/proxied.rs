//! Requests through a proxy: what it is told, who is not asked for through it, and what the guard still says.

use http::StatusCode;

use super::proxy::Proxy;
use super::server::{Server, ok, redirect, tls_server};
use super::*;
use crate::outbound;

/// A client that sends everything through the proxy on this port, with `user:xyzzy`, but for `exempt`. It looks up
/// nothing but these names.
fn through(port: u16, exempt: &str, policy: Policy, names: Arc<Names>) -> Client {
    let proxy = Some(outbound::Proxy::new("127.0.0.1", port, Some("user:xyzzy")));
    let exempt = outbound::Exempt::parse(exempt);
    let proxies = Proxies { http: proxy.clone(), https: proxy, exempt };
    let settings = Settings { proxies, ..settings(policy) };
    Client::with_resolver(&settings, authority(), names).expect("a client")
}

#[tokio::test]
async fn a_proxy_is_told_the_whole_url_and_its_credentials() {
    let server = Server::start(|path| ok(path)).await;
    let proxy = Proxy::open().await;
    let client = through(proxy.port, "", Policy::default(), Names::new(&[]));
    let url = format!("http://inside.test:{}/a?b=c", server.port);
    // A configured Host would have another target than the one that the guard has seen.
    let headers =
        r#"[{"name":"Host","value":"169.254.169.254"},{"name":"Proxy-Authorization","value":"own"}]"#;
    for _ in 0..2 {
        let (status, result) = settle(
            &client,
            &format!(r#"{{"method":"GET","url":"{url}","headers":{headers},"onlyData":true}}"#),
        )
        .await;
        assert_eq!((status, result.as_str()), (RESOLVED, Some("/a?b=c")), "{result:?}");
    }
    for seen in proxy.seen() {
        assert_eq!(seen.line, format!("GET {url}"));
        assert_eq!(seen.host, format!("inside.test:{}", server.port));
        assert_eq!(seen.authorization, "Basic dXNlcjp4eXp6eQ==");
    }
    assert_eq!((proxy.seen().len(), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_ends_at_the_target() {
    let server = Server::start_with(Some(tls_server()), |_| ok("secret")).await;
    let proxy = Proxy::open().await;
    let client = through(proxy.port, "", Policy::default(), Names::new(&[]));
    let url = |host: &str| format!("https://{host}:{}/path", server.port);
    let (status, result) = get(&client, &url("named.test")).await;
    assert_eq!((status, result.as_str()), (RESOLVED, Some("secret")), "{result:?}");
    assert_eq!(code(&get(&client, &url("other.test")).await.1), "ERR_TLS_CERT_ALTNAME_INVALID");
    let seen = proxy.seen();
    let lines: Vec<&str> = seen.iter().map(|seen| seen.line.as_str()).collect();
    let line = |host: &str| format!("CONNECT {host}:{}", server.port);
    assert_eq!(lines, [line("named.test"), line("other.test")]);
    assert_eq!(seen[0].authorization, "Basic dXNlcjp4eXp6eQ==");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /path HTTP/1.1\r\n"), "{requests:?}");
    assert!(!requests[0].to_lowercase().contains("proxy-authorization"), "{requests:?}");
}

#[tokio::test]
async fn a_tunnel_is_kept_for_its_target_alone() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok…";
    let server = Server::start_with(Some(tls_server()), move |_| answer.into()).await;
    let other = Server::start_with(Some(tls_server()), move |_| answer.into()).await;
    let proxy = Proxy::open().await;
    let client = through(proxy.port, "", Policy::default(), Names::new(&[]));
    for port in [server.port, other.port] {
        assert_eq!(get(&client, &format!("https://named.test:{port}/")).await.0, RESOLVED);
    }
    assert_eq!((server.requests().len(), other.requests().len()), (1, 1));
    assert_eq!(proxy.seen().len(), 2);
}

#[tokio::test]
async fn exempt_targets_are_asked_directly() {
    let server = Server::start(|_| ok("reached")).await;
    let proxy = Proxy::open().await;
    let names = Names::new(&[("a.near.test", &[&["127.0.0.1"]])]);
    let client = through(proxy.port, ".near.test,127.0.0.1:1", Policy::default(), names);
    for host in ["a.near.test", "near.test", "127.0.0.1"] {
        let (status, result) = get(&client, &format!("http://{host}:{}/", server.port)).await;
        assert_eq!(status, RESOLVED, "{host}: {result:?}");
    }
    let line = |host: &str| format!("GET http://{host}:{}/", server.port);
    assert_eq!(proxy.lines(), [line("near.test"), line("127.0.0.1")]);
    assert!(server.requests()[0].starts_with("GET / HTTP/1.1"), "{:?}", server.requests());
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_of() {
    let proxy = Proxy::start(|seen| {
        let is_known = seen.line.contains("known.test");
        Some(if is_known { StatusCode::FORBIDDEN } else { StatusCode::PROXY_AUTHENTICATION_REQUIRED })
    })
    .await;
    let client = through(proxy.port, "", Policy::default(), Names::new(&[]));
    for url in ["http://a.test:1/", "https://a.test:1/"] {
        let (status, result) = get(&client, url).await;
        assert_eq!((status, code(&result).as_str()), (FAILED, "ERR_BAD_REQUEST"), "{url}");
        let text = message(&result);
        assert!(text.starts_with("The proxy has refused the request with status code 407"), "{text}");
        assert!(!text.contains("xyzzy"), "{text}");
    }
    let (_, result) = get(&client, "https://known.test:1/").await;
    let text = "The proxy has refused the request with status code 403";
    assert_eq!((message(&result).as_str(), code(&result).as_str()), (text, "ERR_BAD_REQUEST"));
    let (_, result) = get(&client, "http://known.test:1/").await;
    // Whose answer that is cannot be seen.
    assert_eq!(message(&result), "Request failed with status code 403");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_of() {
    let client = through(1, "", Policy::default(), Names::new(&[]));
    for url in ["http://a.test/", "https://a.test/"] {
        let (_, result) = get(&client, url).await;
        let text = "The proxy cannot be reached: connect ECONNREFUSED 127.0.0.1:1";
        assert_eq!((message(&result).as_str(), code(&result).as_str()), (text, "ECONNREFUSED"), "{url}");
    }
    let closing = Server::start(|_| Vec::new()).await;
    let client = through(closing.port, "", Policy::default(), Names::new(&[]));
    let (_, result) = get(&client, "https://a.test/").await;
    assert_eq!(message(&result), "The proxy has opened no tunnel: socket hang up");
    assert_eq!(code(&result), "ECONNRESET");
}

#[tokio::test]
async fn the_guard_judges_what_a_proxy_is_asked_for() {
    let proxy = Proxy::open().await;
    let names = Names::new(&[("trick.test", &[&["1.1.1.1", "169.254.169.254"]])]);
    let client = through(proxy.port, "", Policy::default(), names);
    let hosts = [
        "169.254.169.254",
        "2852039166",
        "[::ffff:169.254.169.254]",
        "trick.test",
        "metadata.google.internal",
        "METADATA.google.internal.",
    ];
    for host in hosts {
        for scheme in ["http", "https"] {
            let (status, result) = get(&client, &format!("{scheme}://{host}:1/")).await;
            assert_eq!((status, code(&result).as_str()), (FAILED, ""), "{scheme} {host}");
            assert!(message(&result).contains("metadata address"), "{scheme} {host}: {result:?}");
        }
    }
    assert_eq!(proxy.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn the_guard_judges_each_request_of_a_kept_connection() {
    let server = Server::start(|_| ok("reached")).await;
    let proxy = Proxy::open().await;
    let names = Names::new(&[("rebound.test", &[&["127.0.0.1"], &["169.254.169.254"]])]);
    let client = through(proxy.port, "", Policy::default(), names);
    let url = format!("http://rebound.test:{}/", server.port);
    assert_eq!(get(&client, &url).await.0, RESOLVED);
    let (_, result) = get(&client, &url).await;
    assert!(message(&result).contains("metadata address"), "{result:?}");
    assert_eq!(proxy.seen().len(), 1);
}

#[tokio::test]
async fn names_that_only_the_proxy_knows_are_refused_where_private_addresses_are() {
    let server = Server::start(|_| ok("reached")).await;
    let proxy = Proxy::open().await;
    let names = || Names::new(&[("lan.test", &[&["192.168.1.1"]]), ("public.test", &[&["1.1.1.1"]])]);
    let url = |host: &str| format!("http://{host}:{}/", server.port);
    let closed = through(proxy.port, "", private_refused(), names());
    for host in ["unknown.test", "lan.test", "10.0.0.1", "localhost"] {
        let (_, result) = get(&closed, &url(host)).await;
        assert!(message(&result).contains("SIDEHOOK_REQUEST_PRIVATE"), "{host}: {result:?}");
    }
    assert_eq!(get(&closed, &url("public.test")).await.0, RESOLVED);
    let policy = Policy { whitelist: "known.test".to_owned(), ..Policy::default() };
    let listed = through(proxy.port, "", policy, names());
    assert_eq!(get(&listed, &url("known.test")).await.0, RESOLVED);
    let (_, result) = get(&listed, &url("public.test")).await;
    assert!(message(&result).contains("SERVER_REQUEST_WHITELIST"), "{result:?}");
    assert_eq!(proxy.lines(), [format!("GET {}", url("public.test")), format!("GET {}", url("known.test"))]);
}

#[tokio::test]
async fn each_hop_finds_its_own_way() {
    let server = Server::start(|path| if path == "/" { ok("reached") } else { redirect(&path[1..]) }).await;
    let proxy = Proxy::open().await;
    let names = Names::new(&[("near.test", &[&["127.0.0.1"]])]);
    let client = through(proxy.port, "near.test", Policy::default(), names);
    let port = server.port;
    let far = |location: &str| format!("http://far.test:{port}/{location}");
    let near = format!("http://near.test:{port}/");
    assert_eq!(get(&client, &far(&near)).await.0, RESOLVED);
    let (status, result) = get(&client, &format!("{near}{}", far(""))).await;
    assert_eq!(status, RESOLVED, "{result:?}");
    for host in ["169.254.169.254", "metadata.google.internal"] {
        let (_, result) = get(&client, &far(&format!("http://{host}/latest"))).await;
        assert_eq!(code(&result), "ERR_FR_REDIRECTION_FAILURE", "{host}");
        let text = message(&result);
        assert!(text.starts_with("Redirected request failed: Outbound request to "), "{text}");
    }
    assert_eq!(proxy.seen().len(), 4);
    let direct: Vec<String> =
        server.requests().into_iter().filter(|request| request.contains("near.test:")).collect();
    assert!(direct.iter().all(|request| !request.to_lowercase().contains("proxy-authorization")));
}
