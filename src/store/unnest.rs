//! Inserting many rows on PostgreSQL: one array per column and `unnest`, so that the statement is the same
//! for any number of rows and is prepared once.
//!
//! sea-query binds no arrays with nulls in them, so a value that cannot occur stands for NULL in each: the
//! empty text (no JSON text is empty), the id 0, the time 0, a status that does not exist.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{ArrayType, Value};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use entity::Table;

use super::Store;
use super::execution::{self, NewExecution};
use super::job::{self, NewJob};

/// Stands for NULL in an array of statuses.
const NO_STATUS: i32 = -32_768;

impl Store {
    pub(super) async fn unnest_executions<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: &[&NewExecution],
    ) -> Result<(), DbErr> {
        let sql = format!(
            "INSERT INTO {} ({}) SELECT id, created_at, updated_at, workflow_id, key, event_key, context::json, \
             NULLIF(status, {NO_STATUS}), NULLIF(reason, ''), NULLIF(output, '')::json, \
             NULLIF(started_at, 'epoch'::timestamptz), NULLIF(expires_at, 'epoch'::timestamptz), true \
             FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], \
             $7::text[], $8::integer[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[]) \
             AS r(id, created_at, updated_at, workflow_id, key, event_key, context, status, reason, output, \
             started_at, expires_at)",
            self.quoted_table(Table::Executions),
            self.quoted_columns(&execution::COLUMNS),
        );
        let values = [
            numbers(rows.iter().map(|row| row.id)),
            times(rows.iter().map(|row| Some(row.created_at))),
            times(rows.iter().map(|row| Some(row.updated_at))),
            numbers(rows.iter().map(|row| row.workflow_id)),
            texts(rows.iter().map(|row| row.key.clone())),
            texts(rows.iter().map(|row| row.event_key.clone())),
            texts(rows.iter().map(|row| row.context.clone())),
            statuses(rows.iter().map(|row| row.status)),
            texts(rows.iter().map(|row| row.reason.clone().unwrap_or_default())),
            texts(rows.iter().map(|row| row.output.clone().unwrap_or_default())),
            times(rows.iter().map(|row| row.started_at)),
            times(rows.iter().map(|row| row.expires_at)),
        ];
        db.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await.map(drop)
    }

    pub(super) async fn unnest_jobs<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: &[&NewJob],
    ) -> Result<(), DbErr> {
        let sql = format!(
            "INSERT INTO {} ({}) SELECT id, created_at, created_at, execution_id, node_id, node_key, \
             NULLIF(upstream_id, 0), status, NULLIF(result, '')::json, NULLIF(meta, '')::json, \
             CASE WHEN log = '' THEN NULL ELSE substr(log, 2) END, NULLIF(started_at, 'epoch'::timestamptz) \
             FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], \
             $7::integer[], $8::text[], $9::text[], $10::text[], $11::timestamptz[]) \
             AS r(id, created_at, execution_id, node_id, node_key, upstream_id, status, result, meta, log, \
             started_at)",
            self.quoted_table(Table::Jobs),
            self.quoted_columns(&job::COLUMNS),
        );
        let values = [
            numbers(rows.iter().map(|row| row.id)),
            times(rows.iter().map(|row| Some(row.created_at))),
            numbers(rows.iter().map(|row| row.execution_id)),
            numbers(rows.iter().map(|row| row.node_id)),
            texts(rows.iter().map(|row| row.node_key.clone())),
            numbers(rows.iter().map(|row| row.upstream_id.unwrap_or_default())),
            statuses(rows.iter().map(|row| Some(row.status))),
            texts(rows.iter().map(|row| row.result.clone().unwrap_or_default())),
            texts(rows.iter().map(|row| row.meta.clone().unwrap_or_default())),
            // One character before each log tells an empty one from none.
            texts(rows.iter().map(|row| row.log.as_ref().map(|log| format!("+{log}")).unwrap_or_default())),
            times(rows.iter().map(|row| row.started_at)),
        ];
        db.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await.map(drop)
    }

    fn quoted_table(&self, table: Table) -> String {
        let name = quoted(&self.names.table_name(table));
        match self.names.schema() {
            Some(schema) => format!("{}.{name}", quoted(schema)),
            None => name,
        }
    }

    fn quoted_columns(&self, fields: &[&str]) -> String {
        fields.iter().map(|field| quoted(&self.names.column_name(field))).collect::<Vec<_>>().join(", ")
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn numbers(column: impl Iterator<Item = i64>) -> Value {
    array(ArrayType::BigInt, column.map(Value::from))
}

fn texts(column: impl Iterator<Item = String>) -> Value {
    array(ArrayType::String, column.map(Value::from))
}

fn statuses(column: impl Iterator<Item = Option<i32>>) -> Value {
    array(ArrayType::Int, column.map(|status| status.unwrap_or(NO_STATUS).into()))
}

fn times(column: impl Iterator<Item = Option<DateTime<Utc>>>) -> Value {
    array(ArrayType::ChronoDateTimeUtc, column.map(|time| time.unwrap_or_default().into()))
}

fn array(kind: ArrayType, column: impl Iterator<Item = Value>) -> Value {
    Value::Array(kind, Some(Box::new(column.collect())))
}
