//! The recorded cases: each is run on every database and has to leave the replies and rows that NocoBase
//! left.

mod case;
mod compare;
mod normalise;
mod tables;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use serde_json::{Value, json};
use sidehook::clock::{Clock, SystemClock};
use sidehook::store::workflow::NewWorkflow;

use self::case::{Case, Request};
use crate::databases::{Product, TestDatabase};
use crate::echo;
use crate::fixture::{self, Node};
use crate::server::TestServer;

/// Node types, and evaluators of conditions, that sidehook does not have yet. Cases with one of them are
/// left out. This list only shrinks.
const MISSING: &[&str] = &[];

#[tokio::test(flavor = "multi_thread")]
async fn cases_leave_what_nocobase_left_on_sqlite() {
    run_all(Product::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_leave_what_nocobase_left_on_postgres() {
    run_all(Product::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_leave_what_nocobase_left_on_mariadb() {
    run_all(Product::Mariadb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_leave_what_nocobase_left_on_mysql() {
    run_all(Product::Mysql).await;
}

async fn run_all(product: Product) {
    let Some(database) = TestDatabase::create_on(product).await else { return };
    let echo = echo::start().await.expect("the echo server starts");
    let Some(cases) = case::load(&echo.base_url).expect("the cases load") else { return };
    let server = TestServer::start(&database).await;
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let mut not_here: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut passed, mut failures) = (0, Vec::new());
    for case in &cases {
        let missing: Vec<String> =
            case.node_types().into_iter().filter(|name| MISSING.contains(&name.as_str())).collect();
        if !missing.is_empty() {
            missing.into_iter().for_each(|name| *left_out.entry(name).or_default() += 1);
            continue;
        }
        if let Some(reason) = tables::left_out(case, product) {
            *not_here.entry(reason).or_default() += 1;
            continue;
        }
        let differences = run(&server, case).await;
        if differences.is_empty() {
            passed += 1;
        } else {
            failures.push(format!("{} ({})\n{}", case.name, case.about, differences.join("\n")));
        }
    }
    eprintln!(
        "{product}: {passed} of {} cases pass; left out for missing node types: {left_out:?}, on this database: \
         {not_here:?}",
        cases.len()
    );
    assert!(
        failures.is_empty(),
        "{} cases differ on {product}:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    assert!(passed > 0, "no case was run");
    server.stop().await;
}

/// Runs a case and returns how it differs from what was recorded.
async fn run(server: &TestServer, case: &Case) -> Vec<String> {
    tables::set_up(server, case).await;
    server.app.collections.refresh().await.expect("the collections are read");
    let mut workflow = fixture::workflow(&case.name, case.sync, &case.trigger, &nodes(&case.nodes));
    workflow.options = case.options.to_string();
    server.add(&workflow).await;
    let first_request = SystemClock.now();
    let mut responses = Vec::new();
    for (i, request) in case.requests.iter().enumerate() {
        responses.push(send(server, &case.name, request).await);
        if !case.sync {
            let timeout = Duration::from_secs(request.wait.unwrap_or(case.wait));
            server.settled(workflow.id, i + 1, timeout).await;
        }
    }
    let mut found = rows(server, &workflow).await;
    for statement in &case.inspect {
        found.push(tables::inspect(server, case, statement).await);
    }
    let recorded = json!({
        "responses": responses,
        "rows": found,
        "stats": server.stats(&case.name, workflow.id).await,
    });
    if case.differs.is_some() {
        return deliberate(&recorded);
    }
    let ids = ids(server, &workflow).await;
    let run = normalise::Run { ids, first_request, rows_read: SystemClock.now() };
    let mut actual = normalise::normalise(&recorded, &run);
    drop_ids(&mut actual);
    let mut expected = case.expected.clone();
    if server.store.codec.backend() != sea_orm::DbBackend::Postgres {
        [&mut expected, &mut actual].into_iter().for_each(|side| tables::forget_created(&case.nodes, side));
    }
    let differences = compare::differences(&expected, &actual, &case.ignore);
    differences.iter().map(ToString::to_string).collect()
}

/// What holds wherever sidehook differs from NocoBase on purpose: no execution is left open.
fn deliberate(recorded: &Value) -> Vec<String> {
    let rows = recorded["rows"].as_array().into_iter().flatten();
    let open = rows.filter(|row| matches!(row["execution"]["status"].as_i64(), None | Some(0)));
    open.map(|row| format!("an execution is left open: {row}")).collect()
}

fn nodes(nodes: &[case::Node]) -> Vec<Node> {
    let convert = |node: &case::Node| Node {
        key: node.key.clone(),
        type_name: node.kind.clone(),
        config: node.config.clone(),
        branches: node
            .branches
            .iter()
            .map(|branch| (branch.index as i32, self::nodes(&branch.nodes)))
            .collect(),
    };
    nodes.iter().map(convert).collect()
}

async fn send(server: &TestServer, key: &str, request: &Request) -> Value {
    let mut url = server.trigger_url(key);
    if let Some(query) = &request.query {
        url = format!("{url}?{query}");
    }
    let method = request.method.parse().expect("an HTTP method");
    let mut sending = server.client.request(method, url);
    let has_type = request.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
    for (name, value) in &request.headers {
        sending = sending.header(name, value.as_str().expect("header values are texts"));
    }
    sending = match &request.body {
        None => sending,
        Some(Value::String(text)) if has_type => sending.body(text.clone()),
        Some(Value::String(text)) => sending.header("content-type", "text/plain").body(text.clone()),
        Some(body) if has_type => sending.body(body.to_string()),
        Some(body) => sending.header("content-type", "application/json").body(body.to_string()),
    };
    let response = sending.send().await.expect("the server answers");
    let status = response.status().as_u16();
    let content_type =
        response.headers().get("content-type").map(|value| value.to_str().expect("ASCII").to_owned());
    let text = response.text().await.expect("the body arrives");
    let body = match content_type {
        None => Value::Null,
        Some(_) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
    };
    json!({"status": status, "body": body, "contentType": content_type})
}

async fn rows(server: &TestServer, workflow: &NewWorkflow) -> Vec<Value> {
    let mut rows = Vec::new();
    for execution in server.executions(workflow.id).await {
        let mut jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
        let positions: Vec<i64> = jobs.iter().filter_map(|job| job["id"].as_i64()).collect();
        for job in &mut jobs {
            let upstream = job["upstreamId"].as_i64();
            let position = upstream.and_then(|id| positions.iter().position(|other| *other == id));
            job["upstream"] = position.map_or(Value::Null, Value::from);
        }
        rows.push(json!({"execution": execution, "jobs": jobs}));
    }
    rows
}

/// The ids of the workflow, its nodes, executions and jobs.
async fn ids(server: &TestServer, workflow: &NewWorkflow) -> HashSet<i64> {
    let mut ids: HashSet<i64> = workflow.nodes.iter().map(|node| node.id).collect();
    ids.insert(workflow.id);
    for row in rows(server, workflow).await {
        ids.extend(row["execution"]["id"].as_i64());
        ids.extend(row["jobs"].as_array().into_iter().flatten().filter_map(|job| job["id"].as_i64()));
    }
    ids
}

/// Takes out what only served to read the rows.
fn drop_ids(recorded: &mut Value) {
    for row in recorded["rows"].as_array_mut().into_iter().flatten() {
        // Rows of tables have neither, and must not get them by being asked.
        if let Some(execution) = row.get_mut("execution").and_then(Value::as_object_mut) {
            execution.remove("id");
        }
        let jobs = row.get_mut("jobs").and_then(Value::as_array_mut);
        for job in jobs.into_iter().flatten().filter_map(Value::as_object_mut) {
            job.remove("id");
            job.remove("upstreamId");
        }
    }
}

#[test]
fn the_list_of_missing_types_is_sorted_and_true() {
    let names: BTreeSet<&str> = MISSING.iter().copied().collect();
    assert_eq!(names.iter().copied().collect::<Vec<_>>(), MISSING);
    for name in names {
        assert!(sidehook::node::find(name).is_none(), "{name} is there: take it off the list");
    }
}
