//! Reads what is in the tables of a database, as the recorded cases write it.

use std::collections::BTreeMap;
use std::time::Duration;

use entity::{JsonText, Table};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use serde_json::{Value, json};
use sidehook::store::Store;
use sidehook::store::workflow::NewWorkflow;

/// What is read of a job.
const JOB: [&str; 8] = ["id", "nodeKey", "upstreamId", "status", "result", "meta", "log", "startedAt"];

/// The tables of one database, under the names that a deployment gives them.
#[derive(Clone)]
pub struct Rows {
    pub store: Store,
}

impl Rows {
    pub async fn add(&self, workflow: &NewWorkflow) {
        let now = sidehook::clock::Clock::now(&sidehook::clock::SystemClock);
        self.store.insert_workflow(workflow, now).await.expect("the workflow is inserted");
    }

    /// Waits until a workflow has so many executions and none of them is open, at most `timeout`.
    pub async fn settled(&self, workflow_id: i64, count: usize, timeout: Duration) -> Vec<Value> {
        let deadline = tokio::time::Instant::now() + timeout;
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
            self.table(Table::Executions),
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
            self.selection(&JOB),
            self.table(Table::Jobs),
            self.quoted("executionId"),
            self.quoted("id"),
        );
        self.query(&sql).await.iter().map(job).collect()
    }

    /// The jobs of all executions of a workflow version, by execution, each by id.
    pub async fn jobs_by_execution(&self, workflow_id: i64) -> BTreeMap<i64, Vec<Value>> {
        let (execution_id, workflow) = (self.quoted("executionId"), self.quoted("workflowId"));
        let sql = format!(
            "SELECT {}, {execution_id} FROM {} WHERE {execution_id} IN (SELECT {id} FROM {} WHERE {workflow} = \
             {workflow_id}) ORDER BY {id}",
            self.selection(&JOB),
            self.table(Table::Jobs),
            self.table(Table::Executions),
            id = self.quoted("id"),
        );
        let mut jobs: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        for row in self.query(&sql).await {
            let execution = row.try_get_by_index(JOB.len()).expect("a number");
            jobs.entry(execution).or_default().push(job(&row));
        }
        jobs
    }

    /// `workflowStats.executed` of the key and `workflowVersionStats.executed` of the version.
    pub async fn stats(&self, key: &str, workflow_id: i64) -> String {
        let executed = self.quoted("executed");
        let by_key = format!(
            "SELECT {executed} FROM {} WHERE {} = '{key}'",
            self.table(Table::WorkflowStats),
            self.quoted("key"),
        );
        let by_id = format!(
            "SELECT {executed} FROM {} WHERE {} = {workflow_id}",
            self.table(Table::WorkflowVersionStats),
            self.quoted("id"),
        );
        let mut counts = Vec::new();
        for sql in [by_key, by_id] {
            let rows = self.query(&sql).await;
            counts.push(rows.first().map_or(Value::Null, |row| number(row, 0)).to_string());
        }
        counts.join(",")
    }

    /// How many rows a table has.
    pub async fn count(&self, table: Table) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {}", self.table(table))).await
    }

    /// The single number that a query gives.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.query(sql).await;
        let row = rows.first().unwrap_or_else(|| panic!("{sql} gives no row"));
        number(row, 0).as_i64().unwrap_or_else(|| panic!("{sql} gives no number"))
    }

    /// The texts in the first column of what a query gives.
    pub async fn texts(&self, sql: &str) -> Vec<Option<String>> {
        let rows = self.query(sql).await;
        rows.iter().map(|row| row.try_get_by_index(0).unwrap_or_else(|err| panic!("{sql}: {err}"))).collect()
    }

    pub async fn query(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.store.codec.backend(), sql);
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

    pub fn table(&self, table: Table) -> String {
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
            (DbBackend::MySql, true) => format!("CAST({} AS char)", self.quoted(field)),
            _ => self.quoted(field),
        });
        columns.collect::<Vec<_>>().join(", ")
    }
}

fn job(row: &QueryResult) -> Value {
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
