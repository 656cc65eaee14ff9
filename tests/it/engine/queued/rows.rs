//! Workflows and executions as NocoBase leaves them in the database.

use entity::Table;
use serde_json::{Value, json};
use sidehook::store::fault::Fault;
use sidehook::store::workflow::NewWorkflow;

use crate::databases::Kind;
use crate::fixture::{Node, next_id, node, workflow};
use crate::rows::Rows;

/// A sidehook beside a NocoBase that leaves its queue alone.
pub const ALONE: [(&str, &str); 2] = [("SIDEHOOK_WORKFLOWS", "all"), ("WORKER_MODE", "!")];

/// Two nodes that use the context.
pub fn nodes() -> Vec<Node> {
    vec![
        node("id", "variable", json!({"value": "{{$context.data.id}}"})),
        node("text", "variable", json!({"value": "no. {{$jobsMapByNodeKey.id}}"})),
    ]
}

/// An enabled workflow with a trigger of NocoBase's.
pub async fn add(rows: &Rows, key: &str, type_name: &str, options: &Value) -> NewWorkflow {
    let mut hook = workflow(key, false, &json!({"collection": "posts", "mode": 1}), &nodes());
    hook.options = options.to_string();
    rows.add(&hook).await;
    set(rows, &hook, "type", &format!("'{type_name}'")).await;
    hook
}

/// Changes a column of a workflow.
pub async fn set(rows: &Rows, hook: &NewWorkflow, field: &str, value: &str) {
    let (table, field, id) = (rows.table(Table::Workflows), rows.quoted(field), hook.id);
    rows.execute(&format!("UPDATE {table} SET {field} = {value} WHERE {} = {id}", rows.quoted("id"))).await;
}

/// An execution that NocoBase has queued for the record `n`; returns its id.
pub async fn queue(rows: &Rows, hook: &NewWorkflow, n: usize) -> i64 {
    queue_all(rows, hook, n..n + 1).await[0]
}

/// The same for many records.
pub async fn queue_all(rows: &Rows, hook: &NewWorkflow, records: std::ops::Range<usize>) -> Vec<i64> {
    let ids: Vec<i64> = records.clone().map(|_| next_id()).collect();
    let pairs: Vec<(i64, Value)> =
        ids.iter().zip(records).map(|(id, n)| (*id, json!({"data": {"id": n}}))).collect();
    for pairs in pairs.chunks(200) {
        insert(rows, hook, pairs).await;
    }
    ids
}

/// Executions that NocoBase has queued, with their contexts.
pub async fn insert(rows: &Rows, hook: &NewWorkflow, executions: &[(i64, Value)]) {
    let columns = ["id", "createdAt", "updatedAt", "workflowId", "key", "eventKey", "context", "dispatched"];
    let columns = columns.map(|field| rows.quoted(field)).join(", ");
    let (created, updated, key) = (rows.quoted("createdAt"), rows.quoted("updatedAt"), rows.quoted("key"));
    let is_postgres = rows.store.codec.backend() == sea_orm::DbBackend::Postgres;
    let selects = executions.iter().map(|(id, context)| {
        let context = literal(rows, &context.to_string());
        let context = if is_postgres { format!("CAST({context} AS json)") } else { context };
        format!(
            "SELECT {id}, {created}, {updated}, {}, {key}, 'event-{id}', {context}, FALSE FROM {} WHERE {} = {}",
            rows.quoted("id"),
            rows.table(Table::Workflows),
            rows.quoted("id"),
            hook.id,
        )
    });
    let selects: Vec<String> = selects.collect();
    let table = rows.table(Table::Executions);
    rows.execute(&format!("INSERT INTO {table} ({columns}) {}", selects.join(" UNION ALL "))).await;
}

/// A text in SQL.
fn literal(rows: &Rows, text: &str) -> String {
    let text = match rows.store.codec.backend() {
        sea_orm::DbBackend::MySql => text.replace('\\', "\\\\"),
        _ => text.to_owned(),
    };
    format!("'{}'", text.replace('\'', "''"))
}

/// Changes a column of an execution.
pub async fn mark(rows: &Rows, execution_id: i64, field: &str, value: &str) {
    let (table, field, id) = (rows.table(Table::Executions), rows.quoted(field), rows.quoted("id"));
    rows.execute(&format!("UPDATE {table} SET {field} = {value} WHERE {id} = {execution_id}")).await;
}

/// What NocoBase changes when it begins with an execution, by the same conditions; whether it was the first.
pub async fn begin_in_nocobase(rows: &Rows, kind: Kind, execution_id: i64) -> bool {
    use sea_orm::ConnectionTrait;
    let (table, status, dispatched, started) = (
        rows.table(Table::Executions),
        rows.quoted("status"),
        rows.quoted("dispatched"),
        rows.quoted("startedAt"),
    );
    let now = if kind == Kind::Sqlite { "'2026-11-21 23:44:06.811 +00:00'" } else { "CURRENT_TIMESTAMP" };
    let sql = format!(
        "UPDATE {table} SET {dispatched} = TRUE, {status} = 0, {started} = {now} WHERE {} = {execution_id} \
         AND {status} IS NULL AND {dispatched} = FALSE AND {started} IS NULL",
        rows.quoted("id"),
    );
    loop {
        match rows.store.db.execute_unprepared(&sql).await {
            Ok(changed) => return changed.rows_affected() == 1,
            // NocoBase tries again, too.
            Err(err) => assert_eq!(Fault::of(&err), Fault::Race, "{sql}: {err}"),
        }
    }
}
