//! A sidehook for one test: the real server on a free port, over a database of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use entity::JsonText;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult};
use serde_json::{Value, json};
use sidehook::app::{App, open_store};
use sidehook::config::{Config, Sources};
use sidehook::store::Store;
use sidehook::store::workflow::NewWorkflow;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::databases::TestDatabase;

pub struct TestServer {
    /// Such as `http://127.0.0.1:40123`.
    pub url: String,
    pub app: Arc<App>,
    pub store: Store,
    pub client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<anyhow::Result<()>>,
}

/// The configuration of a test, over the environment of its database.
pub fn config(database: &TestDatabase, settings: &[(&str, &str)]) -> Config {
    let mut environment: BTreeMap<String, String> = database.env().into_iter().collect();
    environment.extend(settings.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    Config::load(&Sources { file: None, environment }).expect("the settings of a test are valid")
}

/// Creates the tables of a stand-alone database.
pub async fn prepare(database: &TestDatabase, settings: &[(&str, &str)]) -> Store {
    let store = open_store(&config(database, settings)).await.expect("the test database opens");
    migration::stand_alone(&store.db, &store.names).await.expect("the tables are created");
    store
}

impl TestServer {
    pub async fn start(database: &TestDatabase) -> Self {
        Self::start_with(database, &[]).await
    }

    /// Starts with more settings, by their names in the environment.
    pub async fn start_with(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        prepare(database, settings).await.db.close().await.expect("the connection closes");
        let app = App::start(config(database, settings)).await.expect("sidehook starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn({
            let app = app.clone();
            async move { app.serve(listener, async { drop(stopped.await) }).await }
        });
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Self { url, store: app.store.clone(), app, client, stop: Some(stop), serving }
    }

    /// Stops as SIGTERM does.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.serving.await.expect("the server does not panic").expect("the server stops cleanly");
    }

    pub async fn add(&self, workflow: &NewWorkflow) {
        let now = sidehook::clock::Clock::now(&sidehook::clock::SystemClock);
        self.store.insert_workflow(workflow, now).await.expect("the workflow is inserted");
    }

    pub fn trigger_url(&self, key: &str) -> String {
        format!("{}/api/webhook:trigger/{key}", self.url)
    }

    /// Posts a JSON body to a workflow.
    pub async fn post(&self, key: &str, body: &Value) -> reqwest::Response {
        let request = self.client.post(self.trigger_url(key)).json(body);
        request.send().await.expect("the server answers")
    }

    /// Waits until a workflow has so many executions and none of them is open, at most `patience`.
    pub async fn settled(&self, workflow_id: i64, count: usize, patience: Duration) -> Vec<Value> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let executions = self.executions(workflow_id).await;
            let is_open = |row: &Value| matches!(row["status"].as_i64(), None | Some(0));
            let is_settled = executions.len() >= count && !executions.iter().any(is_open);
            if is_settled || tokio::time::Instant::now() > deadline {
                return executions;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The executions of a workflow version, by id, as the cases record them, and `id`.
    pub async fn executions(&self, workflow_id: i64) -> Vec<Value> {
        let sql = format!(
            "SELECT {} FROM {} WHERE {} = {workflow_id} ORDER BY {}",
            self.selection(&[
                "id",
                "status",
                "reason",
                "output",
                "context",
                "dispatched",
                "startedAt",
                "expiresAt",
                "manually",
                "stack",
                "parentExecutionId",
            ]),
            self.table(entity::Table::Executions),
            self.quoted("workflowId"),
            self.quoted("id"),
        );
        let rows = self.query(&sql).await;
        let execution = |row: &QueryResult| {
            json!({
                "id": number(row, 0),
                "status": number(row, 1),
                "reason": text(row, 2),
                "output": stored_json(row, 3),
                "context": stored_json(row, 4),
                "dispatched": boolean(row, 5),
                "started": !is_null(row, 6),
                "expires": !is_null(row, 7),
                "manually": boolean(row, 8),
                "stack": stored_json(row, 9),
                "parentExecutionId": number(row, 10),
            })
        };
        rows.iter().map(execution).collect()
    }

    /// The jobs of an execution, by id, as the cases record them, and `id` and `upstreamId`.
    pub async fn jobs(&self, execution_id: i64) -> Vec<Value> {
        let sql = format!(
            "SELECT {} FROM {} WHERE {} = {execution_id} ORDER BY {}",
            self.selection(&["id", "nodeKey", "upstreamId", "status", "result", "meta", "log", "startedAt"]),
            self.table(entity::Table::Jobs),
            self.quoted("executionId"),
            self.quoted("id"),
        );
        let rows = self.query(&sql).await;
        let job = |row: &QueryResult| {
            json!({
                "id": number(row, 0),
                "node": text(row, 1),
                "upstreamId": number(row, 2),
                "status": number(row, 3),
                "result": stored_json(row, 4),
                "meta": stored_json(row, 5),
                "log": text(row, 6),
                "started": !is_null(row, 7),
            })
        };
        rows.iter().map(job).collect()
    }

    /// `workflowStats.executed` of the key and `workflowVersionStats.executed` of the version.
    pub async fn stats(&self, key: &str, workflow_id: i64) -> String {
        let executed = self.quoted("executed");
        let by_key = format!(
            "SELECT {executed} FROM {} WHERE {} = '{key}'",
            self.table(entity::Table::WorkflowStats),
            self.quoted("key"),
        );
        let by_id = format!(
            "SELECT {executed} FROM {} WHERE {} = {workflow_id}",
            self.table(entity::Table::WorkflowVersionStats),
            self.quoted("id"),
        );
        let mut counts = Vec::new();
        for sql in [by_key, by_id] {
            let rows = self.query(&sql).await;
            counts.push(rows.first().map_or(Value::Null, |row| number(row, 0)).to_string());
        }
        counts.join(",")
    }

    pub async fn query(&self, sql: &str) -> Vec<QueryResult> {
        let statement = sea_orm::Statement::from_string(self.store.codec.backend(), sql);
        self.store.db.query_all_raw(statement).await.unwrap_or_else(|err| panic!("{sql}: {err}"))
    }

    pub async fn execute(&self, sql: &str) {
        self.store.db.execute_unprepared(sql).await.unwrap_or_else(|err| panic!("{sql}: {err}"));
    }

    /// A column name of NocoBase's tables, quoted for the database.
    pub fn quoted(&self, field: &str) -> String {
        let name = self.store.names.column_name(field);
        match self.store.codec.backend() {
            DbBackend::MySql => format!("`{name}`"),
            _ => format!("\"{name}\""),
        }
    }

    pub fn table(&self, table: entity::Table) -> String {
        let name = self.store.names.table_name(table);
        let quoted = match self.store.codec.backend() {
            DbBackend::MySql => format!("`{name}`"),
            _ => format!("\"{name}\""),
        };
        match self.store.names.schema() {
            Some(schema) => format!("\"{schema}\".{quoted}"),
            None => quoted,
        }
    }

    fn selection(&self, fields: &[&str]) -> String {
        const JSON: [&str; 5] = ["output", "context", "stack", "result", "meta"];
        let backend = self.store.codec.backend();
        let columns = fields.iter().map(|field| match (backend, JSON.contains(field)) {
            (DbBackend::Postgres, true) => format!("{}::text", self.quoted(field)),
            _ => self.quoted(field),
        });
        columns.collect::<Vec<_>>().join(", ")
    }
}

fn number(row: &QueryResult, index: usize) -> Value {
    let big = row.try_get_by_index::<Option<i64>>(index);
    let number =
        big.or_else(|_| row.try_get_by_index::<Option<i32>>(index).map(|small| small.map(i64::from)));
    number.expect("a number").map_or(Value::Null, Value::from)
}

fn boolean(row: &QueryResult, index: usize) -> Value {
    row.try_get_by_index::<Option<bool>>(index).expect("a boolean").map_or(Value::Null, Value::from)
}

fn text(row: &QueryResult, index: usize) -> Value {
    row.try_get_by_index::<Option<String>>(index).expect("a text").map_or(Value::Null, Value::from)
}

fn is_null(row: &QueryResult, index: usize) -> bool {
    row.try_get_by_index::<Option<entity::Timestamp>>(index).expect("a time").is_none()
}

/// A JSON column; the JSON value null is told from SQL NULL by a marker.
fn stored_json(row: &QueryResult, index: usize) -> Value {
    let stored = row.try_get_by_index::<Option<JsonText>>(index).expect("a JSON text");
    let Some(JsonText(text)) = stored else { return Value::Null };
    match serde_json::from_str(&text).unwrap_or_else(|err| panic!("{text:?} is no JSON: {err}")) {
        Value::Null => Value::from("<json null>"),
        value => value,
    }
}
