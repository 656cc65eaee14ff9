//! Nodes that sidehook leaves to NocoBase. What NocoBase then does is `tests/e2e/handover`; here a small server
//! stands for its API, to show what sidehook tells it, when, and what if it does not answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entity::Table;
use poem::endpoint::make_sync;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::{Request, Response, Server};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::databases::TestDatabase;
use crate::fixture::{node, workflow};
use crate::node::notification::{add_channel, create_tables};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database};
use crate::wait::{TIMEOUT, until};

/// What was asked: path with query, `Authorization`.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

struct Api {
    url: String,
    asked: Asked,
    serving: JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers the first `failures` requests with 500, later ones with 202.
async fn api(failures: usize) -> Api {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound port"));
    let asked = Asked::default();
    let seen = asked.clone();
    let answer = make_sync(move |request: Request| {
        let mut asked = seen.lock().expect("no panic");
        let key = request.header("authorization").unwrap_or_default().to_owned();
        asked.push((request.original_uri().to_string(), key));
        let is_taken = asked.len() > failures;
        let status = if is_taken { StatusCode::ACCEPTED } else { StatusCode::INTERNAL_SERVER_ERROR };
        Response::builder().status(status).body("{}")
    });
    let acceptor = TcpAcceptor::from_tokio(listener).expect("an acceptor");
    let serving = tokio::spawn(async move {
        let _ = Server::new_with_acceptor(acceptor).run(answer).await;
    });
    Api { url, asked, serving }
}

/// A sidehook that knows such an API.
async fn start(database: &TestDatabase, failures: usize) -> (Api, TestServer) {
    let api = api(failures).await;
    let settings = [("SIDEHOOK_NOCOBASE_URL", api.url.as_str()), ("SIDEHOOK_NOCOBASE_API_KEY", "k3y")];
    let server = TestServer::start_with(database, &settings).await;
    (api, server)
}

/// Plays NocoBase, which has run the node and what comes after it.
async fn run_by_nocobase(rows: &Rows, execution: &Value) {
    let jobs = rows.jobs(execution["id"].as_i64().expect("an id")).await;
    let (job, execution_id) = (&jobs[1]["id"], &execution["id"]);
    let (status, started_at) = (rows.quoted("status"), rows.quoted("startedAt"));
    let (table, created_at) = (rows.table(Table::Jobs), rows.quoted("createdAt"));
    rows.execute(&format!("UPDATE {table} SET {status} = 1, {started_at} = {created_at} WHERE id = {job}"))
        .await;
    let table = rows.table(Table::Executions);
    rows.execute(&format!("UPDATE {table} SET {status} = 1 WHERE id = {execution_id}")).await;
}

fn trigger() -> Value {
    json!({"request": {"body": [{"key": "n"}]}})
}

fn nodes() -> Vec<crate::fixture::Node> {
    let value = json!({"value": "{{$context.body.n}}"});
    vec![
        node("first", "variable", value.clone()),
        node("ask", "manual", json!({"assignees": [1]})),
        node("last", "variable", value),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_nocobases_from_a_node_on_that_sidehook_does_not_run() {
    on_every_database(async |database| {
        let (api, server) = start(&database, 1).await;
        let hook = workflow("k", false, &trigger(), &nodes());
        server.add(&hook).await;
        assert_eq!(server.post("k", &json!({"n": 4})).await.status(), 200);
        // The first request fails; it is sent again.
        until(
            async || api.asked.lock().expect("no panic").len() >= 2,
            || "there is no second request".to_owned(),
        )
        .await;
        let execution = server.executions(hook.id).await.remove(0);
        let id = execution["id"].as_i64().expect("an id");
        let asked = api.asked.lock().expect("no panic").clone();
        let expected = (format!("/api/executions:rerun?filterByTk={id}"), "Bearer k3y".to_owned());
        assert_eq!(asked, [expected.clone(), expected]);
        assert_eq!(execution["status"], 0);
        let jobs = server.jobs(id).await;
        let seen: Vec<_> =
            jobs.iter().map(|job| (&job["node"], &job["status"], job["started"] == true)).collect();
        assert_eq!(seen, [(&json!("first"), &json!(1), true), (&json!("ask"), &json!(0), false)]);
        assert_eq!(jobs[1]["upstreamId"], jobs[0]["id"]);
        assert_eq!(server.count(Table::Leases).await, 0, "NocoBase's guard would keep NocoBase away");
        run_by_nocobase(&server, &execution).await;
        until(async || server.count(Table::Handovers).await == 0, || "the handover does not end".to_owned())
            .await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_gets_the_answer_of_what_nocobase_runs() {
    on_every_database(async |database| {
        let (api, server) = start(&database, 0).await;
        let hook = workflow("k", true, &trigger(), &nodes());
        server.add(&hook).await;
        let body = json!({"n": 4});
        let (answer, ()) = tokio::join!(server.post("k", &body), async {
            until(
                async || !api.asked.lock().expect("no panic").is_empty(),
                || "there is no request".to_owned(),
            )
            .await;
            let execution = server.executions(hook.id).await.remove(0);
            run_by_nocobase(&server, &execution).await;
        });
        assert_eq!(answer.status(), 200);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_nocobase_never_begins_with_ends_as_an_error() {
    on_every_database(async |database| {
        let (api, server) = start(&database, 0).await;
        let hook = workflow("k", false, &trigger(), &nodes());
        server.add(&hook).await;
        server.post("k", &json!({"n": 4})).await;
        until(async || !api.asked.lock().expect("no panic").is_empty(), || "there is no request".to_owned())
            .await;
        // Its last try was long ago.
        let table = server.table(Table::Handovers);
        server.execute(&format!("UPDATE {table} SET due_at = 0, attempts = 3")).await;
        let execution = server.settled(hook.id, 1, TIMEOUT).await.remove(0);
        assert_eq!(execution["status"], -2);
        let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
        let message = "NocoBase was asked to run this node and did not begin with it";
        assert_eq!((&jobs[1]["status"], &jobs[1]["result"]), (&json!(-2), &json!({"message": message})));
        until(async || server.count(Table::Handovers).await == 0, || "the handover does not end".to_owned())
            .await;
        assert_eq!(server.count(Table::Leases).await, 0);
        assert_eq!(api.asked.lock().expect("no panic").len(), 1);
        server.stop().await;
    })
    .await;
}

/// Sidehook's plugin is enabled in NocoBase: it finds what is due by itself.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_key_the_plugin_finds_what_is_handed_over() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let plugins = server.table(Table::ApplicationPlugins);
        let (package, enabled) = (server.quoted("packageName"), server.quoted("enabled"));
        let (name, created_at) = (server.quoted("name"), server.quoted("createdAt"));
        server
            .execute(&format!(
                "INSERT INTO {plugins} ({name}, {package}, {enabled}, {created_at}, {}) SELECT 'own', \
                 '@sidehook/plugin-workflow-webhook', {enabled}, {created_at}, {created_at} FROM {plugins}",
                server.quoted("updatedAt"),
            ))
            .await;
        let hook = workflow("k", false, &trigger(), &nodes());
        server.add(&hook).await;
        // Until it is noticed, such a node is an error.
        let is_handed_over = async || {
            server.post("k", &json!({"n": 4})).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.count(Table::Handovers).await > 0
        };
        until(is_handed_over, || "nothing is handed over".to_owned()).await;
        let table = server.table(Table::Handovers);
        // The last of the events above may be on its way still: what is there is looked at once.
        let others = format!("SELECT COUNT(*) FROM {table} WHERE due_at <= 0 OR attempts <> 0");
        assert_eq!(server.number(&others).await, 0);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nocobase_never_begins_with_fails_its_branch_only() {
    on_every_database(async |database| {
        let (api, server) = start(&database, 0).await;
        let value = json!({"value": "{{$context.body.n}}"});
        let parallel = node("p", "parallel", json!({"mode": "allSettled"}))
            .branch(1, vec![node("ask", "manual", json!({}))])
            .branch(2, vec![node("b", "variable", value.clone())]);
        let nodes = [parallel, node("last", "variable", value)];
        let hook = workflow("k", false, &trigger(), &nodes);
        server.add(&hook).await;
        server.post("k", &json!({"n": 4})).await;
        until(async || !api.asked.lock().expect("no panic").is_empty(), || "there is no request".to_owned())
            .await;
        let table = server.table(Table::Handovers);
        server.execute(&format!("UPDATE {table} SET due_at = 0, attempts = 3")).await;
        let execution = server.settled(hook.id, 1, TIMEOUT).await.remove(0);
        assert_eq!(execution["status"], 1);
        let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
        let seen: Vec<_> = jobs.iter().map(|job| (&job["node"], &job["status"])).collect();
        let expected =
            [("p", 1), ("ask", -2), ("b", 1), ("last", 1)].map(|(key, status)| (json!(key), json!(status)));
        assert_eq!(seen, expected.iter().map(|(key, status)| (key, status)).collect::<Vec<_>>());
        assert_eq!(jobs[0]["result"], json!([-2, 1]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_sidehook_does_not_serve_is_left_to_nocobase() {
    on_every_database(async |database| {
        let (api, server) = start(&database, 0).await;
        create_tables(&server).await;
        add_channel(&server, "chat", &json!({"title": "Chat", "notificationType": "wecom", "options": {}}))
            .await;
        let nodes = [
            node("first", "variable", json!({"value": 1})),
            node("send", "notification", json!({"channelName": "chat", "content": "A"})),
            node("last", "variable", json!({"value": 2})),
        ];
        let hook = workflow("k", false, &trigger(), &nodes);
        server.add(&hook).await;
        server.post("k", &json!({})).await;
        until(async || !api.asked.lock().expect("no panic").is_empty(), || "there is no request".to_owned())
            .await;
        let execution = server.executions(hook.id).await.remove(0);
        let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
        let seen: Vec<_> =
            jobs.iter().map(|job| (&job["node"], &job["status"], job["started"] == true)).collect();
        assert_eq!(seen, [(&json!("first"), &json!(1), true), (&json!("send"), &json!(0), false)]);
        run_by_nocobase(&server, &execution).await;
        until(async || server.count(Table::Handovers).await == 0, || "the handover does not end".to_owned())
            .await;
        server.stop().await;
    })
    .await;
}
