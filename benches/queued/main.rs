//! How fast is run what waits in the database: what NocoBase has queued, in rows as NocoBase writes them, and what sidehook
//! has acknowledged and not begun with. A sidehook is started beside them.
//!
//! `cargo bench --bench queued`; `BENCH_EXECUTIONS` sets how many (default 20,000). Measured is from the first execution that
//! was begun with to the last one that has ended, as the database tells it; and of the processor what one costs in each fifth
//! of them: while the first fifth is run all others still wait, while the last one is run none.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a bench fails by panicking, and measures with clocks and tasks of its own"
)]
#![expect(unreachable_pub, reason = "nobody is outside of this program")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/databases/mod.rs"]
mod databases;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/mod.rs"]
mod ground;

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use serde_json::json;
use sidehook::store::{Pool, Store};
use tokio::process::Command;

use databases::{Kind, Server, TestDatabase};
use fixture::{Node, node};

#[tokio::main]
async fn main() {
    let count = std::env::var("BENCH_EXECUTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let server = Server::start(Kind::Postgres, true).await.expect("PostgreSQL starts; install it first");
    println!("{count} executions of 4 nodes, on PostgreSQL; fsync and synchronous_commit on");
    println!(
        "                                   executions/s   executions/tx   CPU µs: sidehook   PostgreSQL   both, by how many wait: 100-80 %  80-60  60-40  40-20   20-0"
    );
    let rounds = [
        ("NocoBase's queue, one math.js", with_expression(), Queue::NocoBases),
        ("NocoBase's queue, no library", plain(), Queue::NocoBases),
        ("acknowledged, no library", plain(), Queue::Own),
    ];
    for (name, nodes, queue) in rounds {
        let database = server.create_database().await.expect("a database");
        run(name, &database, &nodes, queue, count).await;
    }
}

/// In whose queue the executions wait.
#[derive(Clone, Copy, PartialEq)]
enum Queue {
    NocoBases,
    Own,
}

/// The nodes of `tests/e2e/queued`.
fn with_expression() -> Vec<Node> {
    let expression = json!({"engine": "math.js", "expression": "{{$context.data.amount}} * 2 + 1"});
    following(node("double", "calculation", expression))
}

fn plain() -> Vec<Node> {
    following(node("double", "variable", json!({"value": "{{$context.data.amount}}"})))
}

fn following(first: Node) -> Vec<Node> {
    let calculations = json!([{"calculator": "gte", "operands": ["{{$jobsMapByNodeKey.double}}", 0]}]);
    let calculation = json!({"group": {"type": "and", "calculations": calculations}});
    let text = "{{$context.data.title}}: {{$jobsMapByNodeKey.double}}";
    let value = json!({"text": "{{$jobsMapByNodeKey.text}}", "amount": "{{$context.data.amount}}"});
    vec![
        first,
        node(
            "positive",
            "condition",
            json!({"engine": "basic", "rejectOnFalse": true, "calculation": calculation}),
        ),
        node("text", "variable", json!({"value": text})),
        node("result", "output", json!({"value": value})),
    ]
}

async fn run(name: &str, database: &TestDatabase, nodes: &[Node], queue: Queue, count: i64) {
    let store = prepare(database, nodes, queue, count).await;
    let backend =
        one(&store.db, "SELECT pg_backend_pid()").await.try_get_by_index::<i32>(0).expect("a number");
    let mut sidehook = Command::new(env!("CARGO_BIN_EXE_sidehook"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .envs(database.env())
        .envs([("SIDEHOOK_LOG", "warn"), ("SIDEHOOK_WORKFLOWS", "all"), ("WORKER_MODE", "!")])
        .kill_on_drop(true)
        .spawn()
        .expect("sidehook starts");
    let id = sidehook.id().expect("it runs");
    let is_left = "SELECT EXISTS (SELECT 1 FROM executions WHERE NOT dispatched) OR EXISTS (SELECT 1 FROM sidehook_leases)";
    // Each execution has a lease until it ends, and the server counts what is deleted without looking.
    let ended = "SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'sidehook_leases'";
    let mut samples = Vec::new();
    while one(&store.db, is_left).await.try_get_by_index(0).expect("a truth") {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let ended: i64 = one(&store.db, ended).await.try_get_by_index(0).expect("a number");
        samples.push((ended, ground::process::taken(id, backend.unsigned_abs())));
    }
    // With what its start has taken.
    let cpu = ground::process::taken(id, backend.unsigned_abs());
    let part = |from: i64, to: i64| {
        let mut inside = samples.iter().filter(|(ended, _)| (from..=to).contains(ended));
        let ((first, before), (last, after)) = inside.next().zip(inside.next_back())?;
        let taken = (after.sidehook + after.postgres) - (before.sidehook + before.postgres);
        (last > first).then(|| taken as f64 * 10_000.0 / (last - first) as f64)
    };
    let part = |from, to| part(from, to).map_or("-".to_owned(), |cost| format!("{cost:.0}"));
    let fifths = (0..5).map(|fifth| part((fifth * count / 5).max(1), (fifth + 1) * count / 5));
    let fifths: Vec<String> = fifths.map(|cost| format!("{cost:>6}")).collect();
    // The statistics of other sessions arrive about a second late.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let sql = "SELECT pg_stat_clear_snapshot(), \
               (SELECT EXTRACT(EPOCH FROM MAX(\"updatedAt\") - MIN(\"startedAt\"))::float8 FROM executions), \
               (SELECT count(*) FROM executions WHERE status = 1), (SELECT count(*) FROM jobs), \
               (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())";
    let row = one(&store.db, sql).await;
    let number = |index| row.try_get_by_index::<i64>(index).expect("a number");
    assert_eq!((number(2), number(3)), (count, 4 * count), "executions and jobs");
    let seconds = row.try_get_by_index::<f64>(1).expect("a time");
    let each = |hundredths: u64| hundredths as f64 * 10_000.0 / count as f64;
    println!(
        "{name:<32} {:>14.0} {:>15.1} {:>18.0} {:>12.0} {:>34}",
        count as f64 / seconds,
        count as f64 / number(4) as f64,
        each(cpu.sidehook),
        each(cpu.postgres),
        fifths.join(" "),
    );
    let _ = Command::new("kill").arg(id.to_string()).status().await;
    let _ = sidehook.wait().await;
}

/// Creates the tables, a workflow that starts on new records, and executions that wait.
async fn prepare(database: &TestDatabase, nodes: &[Node], queue: Queue, count: i64) -> Store {
    let store = ground::stand_alone(database).await;
    let trigger = json!({"collection": "records", "mode": 1});
    let workflow = fixture::workflow("records", false, &trigger, nodes);
    store.insert_workflow(&workflow, chrono::DateTime::UNIX_EPOCH).await.expect("a workflow");
    let id = workflow.id;
    execute(&store.db, &format!("UPDATE workflows SET type = 'collection' WHERE id = {id}")).await;
    let first = fixture::next_id();
    let insert = format!(
        "INSERT INTO executions (id, \"createdAt\", \"updatedAt\", \"workflowId\", key, \"eventKey\", context, dispatched)
         SELECT {first} + n, now(), now(), {id}, 'records', 'event-' || n,
           json_build_object('data', json_build_object('id', n, 'title', 'record ' || n, 'amount', n)), FALSE
         FROM generate_series(0, {count} - 1) AS n"
    );
    execute(&store.db, &insert).await;
    if queue == Queue::Own {
        execute(&store.db, "UPDATE executions SET dispatched = TRUE").await;
        let leases = "INSERT INTO sidehook_leases (execution_id, workflow_id, due_at) SELECT id, \"workflowId\", 0 FROM executions";
        execute(&store.db, leases).await;
    }
    execute(&store.db, "VACUUM ANALYZE").await;
    store
}

async fn execute(db: &Pool, sql: &str) {
    db.execute_raw(Statement::from_string(DbBackend::Postgres, sql)).await.expect("a statement");
}

async fn one(db: &Pool, sql: &str) -> QueryResult {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    db.query_one_raw(statement).await.expect("an answer").expect("a row")
}
