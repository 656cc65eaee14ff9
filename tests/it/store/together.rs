//! Rows that are written together, by one statement for all of them, hold what rows hold that are each written alone.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sidehook::clock::{Clock, SystemClock};
use sidehook::store::execution::{ExecutionUpdate, NewExecution};
use sidehook::store::job::{JobUpdate, NewJob};
use sidehook::store::lease::Lease;
use sidehook::store::recorder::{LeaseChange, Record, Written};

use super::recorder::{WORKFLOW, job, recorder, row, write_all};
use crate::databases::Kind;
use crate::fixture::next_id;
use crate::rows::Rows;
use crate::server::{on_databases, on_every_database, prepare};

/// JSON of every kind, and what could be taken for the end of something.
const JSON: [Option<&str>; 18] = [
    None,
    Some("null"),
    Some("true"),
    Some("1"),
    Some("-0.5"),
    Some("1.0"),
    Some("1e300"),
    Some("9007199254740993"),
    Some("\"\""),
    Some("\"1\""),
    Some("\"null\""),
    Some("\"\\u0000 \\\"q\\\" \\\\ \\n\""),
    Some("\"ü 😀 \u{2028}\""),
    Some("{}"),
    Some("[]"),
    Some("[[[[[[[[[[{\"a\":[]}]]]]]]]]]]"),
    Some("{\"b\":1.50,\"a\":[null,{\"$[0]\":\"'\"}],\"\":\"?\"}"),
    Some("[1,2,[3]]"),
];
const TEXTS: [Option<&str>; 6] =
    [None, Some(""), Some("null"), Some("it's \"q\"\\ \n\t\u{1f}\u{1e}"), Some("ü 😀"), Some("$[0]?")];

fn jobs(execution_id: i64, now: DateTime<Utc>) -> Vec<NewJob> {
    let jobs = JSON.iter().zip(TEXTS.iter().cycle()).enumerate();
    let one = |(index, (json, text)): (usize, (&Option<&str>, &Option<&str>))| NewJob {
        node_key: format!("node{index:02}"),
        upstream_id: index.is_multiple_of(3).then_some(9_007_199_254_740_993),
        status: if index.is_multiple_of(2) { 0 } else { -1 },
        result: json.map(Into::into),
        meta: JSON[(index + 7) % JSON.len()].map(Into::into),
        log: text.map(str::to_owned),
        started_at: index.is_multiple_of(2).then_some(now),
        ..job(execution_id, now)
    };
    jobs.map(one).collect()
}

/// What changes: each job gets the values of another one.
fn changes(jobs: &[NewJob], now: DateTime<Utc>) -> Vec<JobUpdate> {
    let change = |(index, job): (usize, &NewJob)| JobUpdate {
        id: job.id,
        status: if index.is_multiple_of(3) { 1 } else { -2 },
        result: JSON[(index + 3) % JSON.len()].map(Into::into),
        meta: JSON[(index + 11) % JSON.len()].map(Into::into),
        updated_at: (!index.is_multiple_of(2)).then_some(now + chrono::TimeDelta::milliseconds(1_234)),
    };
    jobs.iter().enumerate().map(change).collect()
}

/// The columns of rows as texts, but for their ids.
async fn texts(rows: &Rows, table: Table, columns: &[&str], of: &str) -> Vec<Vec<Option<String>>> {
    let kind = if rows.store.codec.backend() == DbBackend::MySql { "char" } else { "text" };
    let selected = columns.iter().map(|name| format!("CAST({} AS {kind})", rows.quoted(name)));
    let (selected, id) = (selected.collect::<Vec<_>>().join(", "), rows.quoted("id"));
    let sql = format!("SELECT {selected} FROM {} WHERE {of} ORDER BY {id}", rows.table(table));
    let statement = Statement::from_string(rows.store.codec.backend(), sql);
    let found = rows.store.db.query_all_raw(statement).await.expect("rows");
    let texts = |row: &sea_orm::QueryResult| {
        (0..columns.len()).map(|index| row.try_get_by_index(index).expect("a text")).collect()
    };
    found.iter().map(texts).collect()
}

async fn job_texts(rows: &Rows, execution_id: i64) -> Vec<Vec<Option<String>>> {
    let columns =
        ["nodeKey", "upstreamId", "status", "result", "meta", "log", "createdAt", "updatedAt", "startedAt"];
    let of = format!("{} = {execution_id}", rows.quoted("executionId"));
    texts(rows, Table::Jobs, &columns, &of).await
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_hold_the_same() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let recorder = recorder(&rows.store).await;
        let now = SystemClock.now();
        let (together, alone) = (next_id(), next_id());
        let (of_all, of_each) = (jobs(together, now), jobs(alone, now));
        for id in [together, alone] {
            let mut created = row(id, "k", &format!("event {id}"), now);
            created.status = Some(0);
            let new_jobs = if id == together { of_all.clone() } else { Vec::new() };
            let record = Record { execution_id: id, create: Some(created), new_jobs, ..Record::default() };
            recorder.write(record).await.expect("it is written");
        }
        for job in &of_each {
            let record = Record { execution_id: alone, new_jobs: vec![job.clone()], ..Record::default() };
            recorder.write(record).await.expect("it is written");
        }
        let written = job_texts(&rows, together).await;
        assert_eq!(written.len(), JSON.len());
        assert_eq!(written, job_texts(&rows, alone).await);

        let job_updates = changes(&of_all, now);
        let record = Record { execution_id: together, job_updates, ..Record::default() };
        assert_eq!(recorder.write(record).await.expect("it is written"), Written::Committed);
        for change in changes(&of_each, now) {
            let record = Record { execution_id: alone, job_updates: vec![change], ..Record::default() };
            recorder.write(record).await.expect("it is written");
        }
        let changed = job_texts(&rows, together).await;
        assert!(written.iter().zip(&changed).all(|(before, after)| before != after));
        assert_eq!(changed, job_texts(&rows, alone).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_and_leases_hold_the_same() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let recorder = recorder(&rows.store).await;
        let now = SystemClock.now();
        let update = |index: usize| ExecutionUpdate {
            output: (!index.is_multiple_of(3)).then(|| JSON[index].map(str::to_owned)),
            status: index.is_multiple_of(2).then_some(-1),
            reason: TEXTS[index % TEXTS.len()].map(str::to_owned),
        };
        let lease = |index: usize| {
            let position = TEXTS[index % TEXTS.len()].map(str::to_owned);
            LeaseChange::Wait(Lease { workflow_id: WORKFLOW, position, due_at: i64::MAX - index as i64 })
        };
        let ids: Vec<i64> = std::iter::repeat_with(next_id).take(2 * JSON.len()).collect();
        let create = |(index, id): (usize, &i64)| {
            let output = JSON[index % JSON.len()].map(str::to_owned);
            let created = row(*id, "k", &format!("event {id}"), now);
            let create = Some(started(created, output, index % JSON.len()));
            Record { execution_id: *id, create, lease: lease(0), ..Record::default() }
        };
        let change = |(index, id): (usize, &i64)| Record {
            execution_id: *id,
            update: Some(update(index % JSON.len())),
            lease: lease(index % JSON.len()),
            ..Record::default()
        };
        for records in [
            ids.iter().enumerate().map(create).collect(),
            ids.iter().enumerate().map(change).collect::<Vec<_>>(),
        ] {
            let mut records: Vec<Record> = records;
            for alone in records.split_off(JSON.len()) {
                recorder.write(alone).await.expect("it is written");
            }
            // The first one may leave at once; what comes meanwhile leaves together.
            for outcome in write_all(&recorder, records).await {
                assert_eq!(outcome.expect("it is written"), Written::Committed);
            }
            let columns = [
                "key",
                "status",
                "reason",
                "output",
                "context",
                "startedAt",
                "expiresAt",
                "stack",
                "dispatched",
            ];
            let all = texts(&rows, Table::Executions, &columns, "1 = 1").await;
            assert_eq!(all.len(), 2 * JSON.len());
            assert_eq!(all[..JSON.len()], all[JSON.len()..]);
            let leases = leases(&rows).await;
            assert_eq!(leases.len(), 2 * JSON.len());
            assert_eq!(leases[..JSON.len()], leases[JSON.len()..]);
        }
    })
    .await;
}

/// The fence, all rows and the counters; PostgreSQL says what was prepared on a connection.
#[tokio::test]
async fn what_is_written_at_one_moment_is_one_statement() {
    on_databases(&[Kind::Postgres], async |database| {
        let rows = Rows { store: prepare(&database, &[("DB_POOL_MAX", "1")]).await };
        let recorder = recorder(&rows.store).await;
        let now = SystemClock.now();
        // The counters are made with the first one.
        for id in [next_id(), next_id(), next_id()] {
            let create = Some(row(id, "k", &format!("event {id}"), now));
            let record =
                Record { execution_id: id, create, new_jobs: vec![job(id, now)], ..Record::default() };
            assert_eq!(recorder.write(record).await.expect("it is written"), Written::Committed);
        }
        let parts = "WITH p1 AS (SELECT%INSERT INTO%INSERT INTO%UPDATE%UPDATE%";
        let prepared = format!("SELECT COUNT(*) FROM pg_prepared_statements WHERE statement LIKE '{parts}'");
        assert_eq!(rows.number(&prepared).await, 1);
        let executed = format!("SELECT SUM(executed)::bigint FROM {}", rows.table(Table::WorkflowStats));
        assert_eq!(rows.number(&executed).await, 3);
        let executions = format!("SELECT COUNT(*) FROM {}", rows.table(Table::Executions));
        assert_eq!(rows.number(&executions).await, 3);
    })
    .await;
}

fn started(row: NewExecution, output: Option<String>, index: usize) -> NewExecution {
    let stack = index.is_multiple_of(4).then(|| "[1,2]".to_owned());
    NewExecution { status: Some(0), output, stack, expires_at: None, ..row }
}

async fn leases(rows: &Rows) -> Vec<(Option<String>, i64)> {
    let sql = "SELECT position, due_at FROM sidehook_leases ORDER BY execution_id";
    let statement = Statement::from_string(rows.store.codec.backend(), sql);
    let found = rows.store.db.query_all_raw(statement).await.expect("rows");
    let lease = |row: &sea_orm::QueryResult| {
        (row.try_get_by_index(0).expect("a text"), row.try_get_by_index(1).expect("a number"))
    };
    found.iter().map(lease).collect()
}
