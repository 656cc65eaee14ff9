//! Cases that NocoBase's own mailer node has recorded (`record.js` says how) come out the same here.

use serde_json::{Map, Value, json};

use super::server::{MailServer, certificate};
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::server::TestServer;

/// The options of `server.py` for the `server` of a case.
fn options(server: &Value) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(tls) = server["tls"].as_str() {
        let name = server["certificate"].as_str().unwrap_or("mail");
        let files = ["pem", "key"].map(|kind| certificate(&format!("{name}.{kind}")));
        options.extend(["--tls".to_owned(), tls.to_owned()]);
        options.extend(files);
    }
    if let Some(login) = server["auth"].as_array() {
        options.push("--auth".to_owned());
        options.extend(login.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    if let Some(text) = server["raw"].as_str() {
        options.extend(["--raw".to_owned(), text.to_owned()]);
    }
    if server["hang"] == true {
        options.push("--hang".to_owned());
    }
    options
}

/// A result without what differs each time, as `record.js` writes it.
fn masked(result: &Value, port: u16) -> Value {
    let mut result = result.clone();
    let Some(members) = result.as_object_mut() else { return result };
    for (name, mask) in [("envelopeTime", "TIME"), ("messageTime", "TIME"), ("messageSize", "SIZE")] {
        if let Some(value) = members.get_mut(name) {
            assert!(value.is_number(), "{name}: {value}");
            *value = json!(mask);
        }
    }
    if members.get("port") == Some(&json!(port)) {
        members.insert("port".to_owned(), json!("PORT"));
    }
    if let Some(id) = members.get_mut("messageId") {
        let domain = id.as_str().and_then(|id| id.split_once('@')).expect("an id has a domain").1.to_owned();
        *id = json!(format!("<ID@{domain}"));
    }
    result
}

/// What is recorded here for what NocoBase has recorded: without OpenSSL's words, and with the reason where NocoBase
/// loses it.
fn expected(recorded: &Value, reason: &Value) -> Value {
    let Some(members) = recorded.as_object() else { return recorded.clone() };
    let mut members: Map<String, Value> =
        members.clone().into_iter().filter(|(name, _)| name != "library" && name != "reason").collect();
    let tells = ["response", "syscall", "message"].iter().any(|name| members.contains_key(*name));
    if !tells {
        assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()), "{recorded} has no reason");
        members.insert("message".to_owned(), reason.clone());
    }
    Value::Object(members)
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_those_of_nocobase() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("recorded.json")).expect("the cases are JSON");
    let trusted = certificate("mail-ca.pem");
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, &[("NODE_EXTRA_CA_CERTS", trusted.as_str())]).await;
    let other = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let impatient = TestServer::start_with(&other, &[("SIDEHOOK_MAIL_TIME_LIMIT", "1s")]).await;
    assert!(cases.len() > 20, "{}", cases.len());
    for (i, case) in cases.iter().enumerate() {
        let about = case["about"].as_str().expect("a text");
        let options = options(&case["server"]);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let mail = match case["server"].is_null() {
            true => None,
            false => {
                let Some(mail) = MailServer::start(&options).await else { break };
                Some(mail)
            }
        };
        let port = mail.as_ref().map_or(1, |mail| mail.port);
        let config = case["config"].to_string().replace("\"PORT\"", &port.to_string());
        let config: Value = serde_json::from_str(&config).expect("JSON");
        let server = if case["server"]["hang"] == true { &impatient } else { &server };
        let key = format!("case-{i}");
        let workflow = workflow(&key, true, &json!({}), &[node("n", "mailer", config)]);
        server.add(&workflow).await;
        server.post(&key, &json!({})).await;
        let execution = server.executions(workflow.id).await.remove(0);
        let job = server.jobs(execution["id"].as_i64().expect("an id")).await.remove(0);
        assert_eq!(job["status"], case["status"], "{about}: {job}");
        let got = masked(&job["result"], port);
        assert_eq!(got.to_string(), expected(&case["result"], &got["message"]).to_string(), "{about}");
        if let Some(login) = case["server"]["auth"].as_array().filter(|_| case["status"] == 1) {
            let mails = mail.expect("a server").has(1).await;
            assert_eq!((&mails[0]["user"], &mails[0]["tls"]), (&login[0], &json!(true)), "{about}");
        }
    }
    server.stop().await;
    impatient.stop().await;
}
