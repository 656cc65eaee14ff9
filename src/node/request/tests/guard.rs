//! Where requests must not lead: addresses of the machine and its network, by name, redirection and in every form.

use super::server::{Server, ok, redirect};
use super::*;

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
