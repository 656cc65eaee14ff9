//! Fills `executions` and `jobs` with what years of use would have left: rows as sidehook writes them, spread over the last
//! hundred days and over workflows of which most are not used any more.

use std::time::Instant;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult, Statement,
};

use crate::databases::TestDatabase;

/// So many executions are inserted by one statement.
const CHUNK: i64 = 500_000;
/// Each with so many jobs.
pub const JOBS: i64 = 3;
/// The workflows that they are of, beside those of the bench.
const WORKFLOWS: i64 = 20;

/// Inserts so many executions, says how far it has come, and leaves the tables as a server that tidies up would.
pub async fn fill(database: &TestDatabase, executions: i64) {
    let db = session(database).await;
    let begun = Instant::now();
    copy_workflow(&db).await;
    let indexes = drop_indexes(&db).await;
    for first in (0..executions).step_by(CHUNK as usize) {
        let last = (first + CHUNK).min(executions);
        execute(&db, &executions_from(first, last, executions)).await;
        execute(&db, &jobs_from(first, last, executions)).await;
        eprintln!("{last} executions, {} jobs, {} s", last * JOBS, begun.elapsed().as_secs());
    }
    for index in indexes {
        execute(&db, &index).await;
        eprintln!("{index}: {} s", begun.elapsed().as_secs());
    }
    execute(&db, "VACUUM (ANALYZE, FREEZE) executions").await;
    execute(&db, "VACUUM (ANALYZE, FREEZE) jobs").await;
    execute(&db, "CHECKPOINT").await;
    let size = one(&db, "SELECT pg_database_size(current_database())").await;
    let size: i64 = size.try_get_by_index(0).expect("a number");
    println!(
        "{executions} executions and {} jobs, {:.1} GB, in {} s",
        executions * JOBS,
        size as f64 / 1e9,
        begun.elapsed().as_secs()
    );
}

/// One connection, whose settings stay.
async fn session(database: &TestDatabase) -> DatabaseConnection {
    let mut options = ConnectOptions::new(&database.url);
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.expect("the database opens");
    for setting in ["synchronous_commit = off", "maintenance_work_mem = '1GB'"] {
        execute(&db, &format!("SET {setting}")).await;
    }
    db
}

/// Copies the first workflow, without its nodes: what is over needs none.
async fn copy_workflow(db: &DatabaseConnection) {
    let sql = format!(
        "INSERT INTO workflows (id, \"createdAt\", \"updatedAt\", key, title, enabled, type, current, sync, config, options)
         SELECT n, \"createdAt\", \"updatedAt\", 'old-' || n, 'old ' || n, FALSE, type, current, sync, config, options
         FROM (SELECT * FROM workflows ORDER BY id LIMIT 1) AS one, generate_series(1, {WORKFLOWS}) AS n"
    );
    execute(db, &sql).await;
}

/// Indexes are made faster when the rows are there. Returns the statements that make them again.
async fn drop_indexes(db: &DatabaseConnection) -> Vec<String> {
    let constraints = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), \
                       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) \
                       FROM pg_constraint WHERE contype = 'u' AND conrelid IN ('executions'::regclass, 'jobs'::regclass)";
    let indexes = "SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid) FROM pg_index \
                   WHERE NOT indisprimary AND indrelid IN ('executions'::regclass, 'jobs'::regclass)";
    let mut again = Vec::new();
    for sql in [constraints, indexes] {
        for row in all(db, sql).await {
            let text = |index| row.try_get_by_index::<String>(index).expect("a text");
            execute(db, &text(0)).await;
            again.push(text(1));
        }
    }
    again
}

fn executions_from(first: i64, last: i64, all: i64) -> String {
    format!(
        "INSERT INTO executions (id, \"createdAt\", \"updatedAt\", \"workflowId\", key, \"eventKey\", context, status, dispatched, \
           \"startedAt\")
         SELECT 390000000000000 + n * 100, at, at, n % {WORKFLOWS} + 1, 'old-' || n % {WORKFLOWS} + 1, gen_random_uuid()::text,
           json_build_object('headers', json_build_object('content-type', 'application/json'), 'query', json_build_object(),
             'body', json_build_object('amount', n)),
           CASE WHEN n % 50 = 0 THEN -1 ELSE 1 END, TRUE, at
         FROM generate_series({first}, {last} - 1) AS n, {}",
        at(all)
    )
}

fn jobs_from(first: i64, last: i64, all: i64) -> String {
    format!(
        "INSERT INTO jobs (id, \"createdAt\", \"updatedAt\", \"executionId\", \"nodeId\", \"nodeKey\", \"upstreamId\", status, \
           result, \"startedAt\")
         SELECT n * {JOBS} + job, at, at, 390000000000000 + n * 100, n % {WORKFLOWS} * {JOBS} + job, 'node' || job,
           CASE WHEN job > 1 THEN n * {JOBS} + job - 1 END, 1, json_build_object('amount', n), at
         FROM generate_series({first}, {last} - 1) AS n, generate_series(1, {JOBS}) AS job, {}",
        at(all)
    )
}

/// When the n-th of all was.
fn at(all: i64) -> String {
    format!(
        "LATERAL (SELECT now() - interval '100 days' * ({all} - n) / {all} - interval '1 hour' AS at) AS moment"
    )
}

pub async fn execute(db: &impl ConnectionTrait, sql: &str) {
    db.execute_unprepared(sql).await.unwrap_or_else(|err| panic!("{sql}: {err}"));
}

pub async fn one(db: &impl ConnectionTrait, sql: &str) -> QueryResult {
    all(db, sql).await.pop().expect("a row")
}

async fn all(db: &impl ConnectionTrait, sql: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    db.query_all_raw(statement).await.unwrap_or_else(|err| panic!("{sql}: {err}"))
}
