//! The units that are run in this program itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sidehook::clock::{Clock, SystemClock};
use sidehook::expr::evaluator::Evaluate;
use sidehook::expr::expression::{Language, Task};
use sidehook::expr::json;
use sidehook::ids::Ids;
use sidehook::metrics::Metrics;
use sidehook::script::{Limits, Pool};
use sidehook::store::Store;
use sidehook::store::execution::NewExecution;
use sidehook::store::job::NewJob;
use sidehook::store::recorder::{Record, Recorder, Written};

use crate::count::{WARM_UP, begin};

/// Records in one transaction.
const RECORDS: usize = 64;

/// Runs a unit so many times.
pub async fn run(unit: &str, times: u64, url: &str) {
    match unit {
        "expression" => expressions(times).await,
        "flush" => flushes(times, url).await,
        _ => panic!("there is no unit {unit}"),
    }
}

/// One expression of math.js with two variables, the whole way: to a thread, into JavaScript and back.
async fn expressions(times: u64) {
    let limits = Limits { evaluators: 1, expression_time: Duration::from_mins(10), ..Limits::default() };
    let pool = Pool::new(limits);
    let rows = json::parse(br#"[{"n":1},{"n":2},{"n":3}]"#).expect("JSON");
    let task = || Task {
        language: Language::Math,
        expression: "sqrt(2) * $$0 + size($$1)[1] ^ 2".to_owned(),
        variables: vec![("$$0".to_owned(), 3.into()), ("$$1".to_owned(), rows.clone())],
        has_columns: false,
    };
    for n in 0..WARM_UP + times {
        if n == WARM_UP {
            begin(std::process::id());
        }
        pool.evaluate(task()).await.expect("a number");
    }
}

/// Flushes of so many new executions, each with two jobs and without the request log.
async fn flushes(times: u64, url: &str) {
    let db = sea_orm::Database::connect(url).await.expect("the database opens");
    let utc = chrono::FixedOffset::east_opt(0).expect("an offset");
    let store = Store::new(db, entity::Names::default(), utc);
    let registration = store.register_instance("instructions").await.expect("a free number");
    let metrics = Arc::new(Metrics::new(false, None));
    let clock = Arc::new(SystemClock);
    let (recorder, writing) =
        Recorder::start(store.clone(), registration.owner, || SystemClock.now(), metrics.clone());
    let writing = tokio::spawn(writing);
    // Processes that follow each other within a second give out different ids.
    let ids = Ids::new(clock, (times % 32) as u8, 0, 0);
    ids.reserve(i64::MAX);
    for n in 0..WARM_UP + times {
        if n == WARM_UP {
            begin(std::process::id());
        }
        let records: Vec<Record> = (0..RECORDS).map(|_| record(&ids)).collect();
        let written = join_all(records.into_iter().map(|record| recorder.write_event(record))).await;
        assert!(written.iter().all(|one| matches!(one, Ok(Written::Committed))), "{written:?}");
    }
    drop(recorder);
    writing.await.expect("it ends");
    store.release_instance(registration.owner, None).await.expect("the number is given back");
    let told = metrics.measured(&[]).text();
    let flushes = format!("sidehook_flushes_total{{outcome=\"committed\"}} {}\n", WARM_UP + times);
    assert!(told.contains(&flushes), "each {RECORDS} records were to go together: {told}");
}

fn record(ids: &Ids) -> Record {
    let now = ids.now();
    let id = ids.execution_id().expect("an id");
    let job = |key: &str, node_id: i64, upstream_id: Option<i64>| NewJob {
        id: ids.job_id().expect("an id"),
        execution_id: id,
        node_id,
        node_key: key.to_owned(),
        upstream_id,
        status: 1,
        result: Some(r#"{"amount":150}"#.into()),
        meta: None,
        log: None,
        created_at: now,
        started_at: Some(now),
    };
    let first = job("v", 1, None);
    let second = job("r", 2, Some(first.id));
    Record {
        execution_id: id,
        create: Some(NewExecution {
            id,
            workflow_id: 1,
            key: "bench".to_owned(),
            event_key: format!("00000000-0000-4000-8000-{id:012x}"),
            context: r#"{"headers":{"content-type":"application/json"},"query":{},"body":{"amount":150}}"#
                .to_owned(),
            status: Some(1),
            created_at: now,
            updated_at: now,
            started_at: Some(now),
            ..NewExecution::default()
        }),
        new_jobs: vec![first, second],
        ..Record::default()
    }
}
