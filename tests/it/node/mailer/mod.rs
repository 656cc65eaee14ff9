//! Mailer nodes in a running server, with a real mail server: what they record, what arrives, and what a crash does.

mod recorded;
pub mod server;

use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use self::server::{MailServer, header};
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, on_databases, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

/// A node that sends through a server on this port.
fn config(port: u16) -> Value {
    json!({
        "provider": {"host": "127.0.0.1", "port": port, "secure": false},
        "from": "Shop <shop@example.com>",
        "to": ["{{$context.body.email}}"],
        "bcc": ["hidden@example.com"],
        "subject": "Order {{$context.body.id}}",
        "contentType": "html",
        "html": "<p>Größe {{$context.body.id}}</p>",
    })
}

/// The jobs of a workflow that was called once, by their nodes.
async fn run(server: &TestServer, key: &str, is_sync: bool, config: Value) -> (Value, Vec<Value>) {
    let trigger = json!({"request": {"body": [{"key": "id"}, {"key": "email"}]}});
    let nodes = [
        node("mail", "mailer", config),
        node("after", "output", json!({"value": "{{$jobsMapByNodeKey.mail}}"})),
    ];
    let workflow = workflow(key, is_sync, &trigger, &nodes);
    server.add(&workflow).await;
    server.post(key, &json!({"id": 7, "email": "a@example.com"})).await;
    let execution = server.settled(workflow.id, 1, TIMEOUT).await.remove(0);
    let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
    (execution, jobs)
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_sent_and_what_the_server_said_is_recorded() {
    on_every_database(async |database| {
        let Some(mail) = MailServer::start(&[]).await else { return };
        let server = TestServer::start(&database).await;
        for (i, is_sync) in [true, false].into_iter().enumerate() {
            let (execution, jobs) = run(&server, &format!("k{i}"), is_sync, config(mail.port)).await;
            assert_eq!(execution["status"], 1, "{execution}");
            let result = &jobs[0]["result"];
            assert_eq!((&jobs[0]["status"], &jobs[1]["result"]), (&json!(1), result), "{jobs:?}");
            assert_eq!(result["accepted"], json!(["a@example.com", "hidden@example.com"]));
            let mails = mail.has(i + 1).await;
            assert_eq!(mails[i]["to"], json!(["a@example.com", "hidden@example.com"]));
            assert_eq!(header(&mails[i], "Message-ID"), result["messageId"].as_str());
            assert_eq!(header(&mails[i], "From"), Some("Shop <shop@example.com>"));
            assert_eq!(header(&mails[i], "Subject"), Some("Order 7"));
            assert_eq!(header(&mails[i], "Bcc"), None);
            let data = mails[i]["data"].as_str().unwrap_or_default();
            assert!(data.contains("<p>Gr=C3=B6=C3=9Fe 7</p>"), "{data}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_ends_the_execution_unless_it_is_ignored() {
    on_every_database(async |database| {
        let Some(mail) = MailServer::start(&[]).await else { return };
        let server = TestServer::start(&database).await;
        for (i, (is_sync, ignores)) in
            [(true, false), (true, true), (false, false), (false, true)].into_iter().enumerate()
        {
            let mut config = config(mail.port);
            config["from"] = json!("banned@example.com");
            config["ignoreFail"] = json!(ignores);
            let (execution, jobs) = run(&server, &format!("k{i}"), is_sync, config).await;
            let status = if ignores { 1 } else { -1 };
            assert_eq!(
                (&execution["status"], &jobs[0]["status"], jobs.len()),
                (&json!(status), &json!(status), if ignores { 2 } else { 1 }),
                "{is_sync} {jobs:?}"
            );
            assert_eq!(jobs[0]["result"]["responseCode"], 550);
        }
        assert_eq!(mail.mails().len(), 0);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_limit_where_mail_goes() {
    let Some(mail) = MailServer::start(&[]).await else { return };
    let result = async |setting: &str, host: &str| {
        let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
        let server = TestServer::start_with(&database, &[("SIDEHOOK_MAIL_SERVERS", setting)]).await;
        let mut config = config(mail.port);
        config["provider"]["host"] = json!(host);
        let (_, mut jobs) = run(&server, "k", true, config).await;
        server.stop().await;
        jobs.remove(0)["result"].take()
    };
    let port = mail.port;
    assert_eq!(result(&format!("127.0.0.0/8:{port}"), "127.0.0.1").await["response"], "250 2.0.0 Taken as 1");
    for (setting, host, reason) in [
        ("127.0.0.0/8:25", "127.0.0.1", "Add it to SIDEHOOK_MAIL_SERVERS"),
        ("smtp.example.com", "127.0.0.1", "Add it to SIDEHOOK_MAIL_SERVERS"),
        ("", "169.254.169.254", "a link-local or cloud metadata address"),
    ] {
        let result = result(setting, host).await;
        assert!(result["message"].as_str().unwrap_or_default().contains(reason), "{setting}: {result}");
    }
    assert_eq!(mail.connections(), 1);
}

/// Has a workflow send a mail to a server that holds mails, kills sidehook meanwhile, and lets another one go on. Returns both
/// mails, and the jobs of the execution once it has ended.
pub async fn sent_through_a_crash(
    database: &TestDatabase,
    rows: &Rows,
    mail: &MailServer,
    workflow: &NewWorkflow,
    body: &Value,
) -> (Vec<Value>, Vec<Value>) {
    let mut process = Process::serve(database, &[]).await;
    rows.add(workflow).await;
    let client = crate::server::client();
    until(
        async || {
            let sent = client.post(process.trigger_url(&workflow.key)).json(body).send().await;
            sent.is_ok_and(|answer| answer.status().is_success())
        },
        || "the workflow is not known".to_owned(),
    )
    .await;
    mail.has(1).await;
    process.signal("KILL").await;
    process.ended().await;
    let _process = Process::serve(database, &[]).await;
    let mails = mail.has(2).await;
    let execution = rows.settled(workflow.id, 1, TIMEOUT).await.remove(0);
    (mails, rows.jobs(execution["id"].as_i64().expect("an id")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_under_way_in_a_crash_is_sent_again_with_the_same_id() {
    on_databases(&[Kind::Postgres, Kind::Sqlite], async |database| {
        let Some(mail) = MailServer::start(&["--hold", "1"]).await else { return };
        let rows = Rows { store: prepare(&database, &[]).await };
        let trigger = json!({"request": {"body": [{"key": "id"}, {"key": "email"}]}});
        let workflow = workflow("k", false, &trigger, &[node("mail", "mailer", config(mail.port))]);
        let body = json!({"id": 7, "email": "a@example.com"});
        let (mails, jobs) = sent_through_a_crash(&database, &rows, &mail, &workflow, &body).await;
        assert_eq!((jobs.len(), &jobs[0]["status"]), (1, &json!(1)), "{jobs:?}");
        let ids: Vec<_> = mails.iter().map(|mail| header(mail, "Message-ID")).collect();
        assert_eq!(ids, [jobs[0]["result"]["messageId"].as_str(); 2]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_local_storage_go_with_a_mail() {
    on_databases(&[Kind::Postgres, Kind::Sqlite], async |database| {
        let Some(mail) = MailServer::start(&[]).await else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let uploads = folder.path().join("uploads");
        std::fs::create_dir_all(&uploads).expect("created");
        std::fs::write(uploads.join("x1.txt"), "line\nanother\r\n.\n").expect("written");
        std::fs::write(uploads.join("x2.bin"), [0, 255, 10]).expect("written");
        std::fs::write(uploads.join("x3.txt"), vec![b'x'; 4000]).expect("written");
        let rows = Rows { store: prepare(&database, &[]).await };
        super::request::add_storages(&rows, folder.path()).await;
        let storage = folder.path().to_string_lossy().into_owned();
        let settings = [("STORAGE_PATH", storage.as_str()), ("SIDEHOOK_MAIL_SIZE_LIMIT", "4000")];
        let server = TestServer::start_with(&database, &settings).await;
        let file = |title: &str, filename: &str, mimetype: &str| {
            json!({"title": title, "extname": ".txt", "storageId": 1, "path": "", "filename": filename, "mimetype": mimetype})
        };
        let with = |attachments: Value| {
            let mut config = config(mail.port);
            config["attachments"] = attachments;
            config
        };
        // What is no file is left out.
        let files = json!([[file("Größe", "x1.txt", "text/plain")], null, {"id": 5}, file("", "x2.bin", "")]);
        let (execution, jobs) = run(&server, "good", true, with(files)).await;
        assert_eq!(execution["status"], 1, "{jobs:?}");
        let mails = mail.has(1).await;
        let data = mails[0]["data"].as_str().unwrap_or_default();
        assert!(header(&mails[0], "Content-Type").is_some_and(|kind| kind.starts_with("multipart/mixed")), "{data}");
        for part in ["<p>Gr=C3=B6=C3=9Fe 7</p>", "filename=\"x2.bin\"", "bGluZQphbm90aGVyDQouCg==", "AP8K", "octet-stream"] {
            assert!(data.contains(part), "{part}: {data}");
        }
        for (i, (attachments, code)) in [
            (file("a", "missing.txt", ""), json!("ENOENT")),
            (file("a", "../../etc/passwd", ""), json!("PATH_TRAVERSAL")),
            (file("a", "x3.txt", ""), json!("EFBIG")),
        ]
        .into_iter()
        .enumerate()
        {
            let (_, jobs) = run(&server, &format!("bad-{i}"), false, with(attachments)).await;
            assert_eq!((&jobs[0]["status"], &jobs[0]["result"]["code"]), (&json!(-1), &code), "{jobs:?}");
        }
        let mut long = config(mail.port);
        long["html"] = json!("x".repeat(5000));
        let (_, jobs) = run(&server, "long", true, long).await;
        assert_eq!(jobs[0]["result"]["code"], "EMESSAGE", "{jobs:?}");
        assert_eq!(mail.mails().len(), 1);
        server.stop().await;
    })
    .await;
}

/// Mails of several executions at the same time, and one after the other in a loop.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_few_and_carry_several_mails() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    for (i, (options, connections)) in [(&[] as &[&str], 1), (&["--drop"], 3)].into_iter().enumerate() {
        let Some(mail) = MailServer::start(options).await else { break };
        let each = node("each", "loop", json!({"target": 3}))
            .branch(1, vec![node("mail", "mailer", config(mail.port))]);
        let workflow =
            workflow(&format!("loop-{i}"), true, &json!({"request": {"body": [{"key": "email"}]}}), &[each]);
        server.add(&workflow).await;
        server.post(&format!("loop-{i}"), &json!({"email": "a@example.com"})).await;
        let execution = server.executions(workflow.id).await.remove(0);
        assert_eq!(execution["status"], 1, "{:?}", server.jobs_by_execution(workflow.id).await);
        assert_eq!((mail.mails().len(), mail.connections()), (3, connections), "{options:?}");
    }
    if let Some(mail) = MailServer::start(&[]).await {
        let trigger = json!({"request": {"body": [{"key": "email"}]}});
        let workflow = workflow("burst", false, &trigger, &[node("mail", "mailer", config(mail.port))]);
        server.add(&workflow).await;
        let body = json!({"email": "a@example.com"});
        futures_util::future::join_all((0..20).map(|_| server.post("burst", &body))).await;
        server.settled(workflow.id, 20, TIMEOUT).await;
        let mails = mail.mails();
        let ids: std::collections::BTreeSet<_> =
            mails.iter().map(|mail| header(mail, "Message-ID")).collect();
        assert_eq!((mails.len(), ids.len()), (20, 20));
        assert!(mail.connections() <= 5, "{}", mail.connections());
    }
    server.stop().await;
}
