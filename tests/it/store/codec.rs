//! What goes into a database comes back: JSON whatever it holds, and times in the form and zone that NocoBase uses.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use entity::{JsonText, Table};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sea_orm::DbBackend;
use serde_json::{Map, Value, json};
use sidehook::clock::{Clock, SystemClock};
use sidehook::expr;
use sidehook::store::workflow::NewWorkflow;

use crate::databases::Kind;
use crate::fixture::{node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, on_databases, on_every_database};
use crate::wait::TIMEOUT;

/// How many generated values each database has to keep.
const CASES: usize = 64;

/// Keeps a value in the three JSON columns that sidehook writes: the context, the result of a job, the output.
fn keeping(key: &str, is_sync: bool) -> NewWorkflow {
    let nodes = [
        node("keep", "variable", json!({"value": "{{$context.body.value}}"})),
        node("output", "output", json!({"value": {"wrapped": "{{$jobsMapByNodeKey.keep}}"}})),
    ];
    workflow(key, is_sync, &json!({"request": {"body": [{"key": "value"}, {"key": "n"}]}}), &nodes)
}

/// The texts of the JSON columns of one execution: its context, the result of its first job, its output.
async fn stored(server: &Rows, execution: &Value) -> [Option<String>; 3] {
    let id = execution["id"].as_i64().expect("an id");
    let json = |field: &str| match server.store.codec.backend() {
        DbBackend::Postgres => format!("{}::text", server.quoted(field)),
        DbBackend::MySql => format!("CAST({} AS char)", server.quoted(field)),
        _ => server.quoted(field),
    };
    let of_execution = |field: &str| {
        let (column, table) = (json(field), server.table(Table::Executions));
        format!("SELECT {column} FROM {table} WHERE {} = {id}", server.quoted("id"))
    };
    let of_job = format!(
        "SELECT {} FROM {} WHERE {} = {id} ORDER BY {}",
        json("result"),
        server.table(Table::Jobs),
        server.quoted("executionId"),
        server.quoted("id"),
    );
    let mut texts = Vec::new();
    for sql in [of_execution("context"), of_job, of_execution("output")] {
        let rows = server.query(&sql).await;
        let text: Option<JsonText> = rows[0].try_get_by_index(0).expect("a JSON text");
        texts.push(text.map(|JsonText(text)| text));
    }
    texts.try_into().expect("three texts")
}

/// What JavaScript makes of a JSON text.
fn stringified(text: &str) -> String {
    expr::json::stringify_or_null(&expr::json::parse(text.as_bytes()).expect("JSON"))
}

/// Equality as JavaScript has it: numbers are doubles, the order of members does not count.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let member =
                |(key, left): (&String, &Value)| right.get(key).is_some_and(|right| same(left, right));
            left.len() == right.len() && left.iter().all(member)
        }
        _ => left == right,
    }
}

/// Sends JSON texts to a workflow, all at the same time, and checks what is stored for them.
async fn check(server: &TestServer, hook: &NewWorkflow, texts: &[String]) {
    server.add(hook).await;
    let send = async |(n, text): (usize, &String)| {
        let request =
            server.client.post(server.trigger_url(&hook.key)).header("content-type", "application/json");
        let response =
            request.body(format!(r#"{{"n":{n},"value":{text}}}"#)).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{text}");
    };
    join_all(texts.iter().enumerate().map(send)).await;
    let executions = server.settled(hook.id, texts.len(), TIMEOUT).await;
    assert_eq!(executions.len(), texts.len());
    for execution in executions {
        assert_eq!(execution["status"], 1, "{execution}");
        let n = execution["context"]["body"]["n"].as_u64().expect("the number of the request");
        let text = &texts[n as usize];
        let kept = stored(server, &execution).await;
        let body = |value: &str| format!(r#"{{"value":{value},"n":{n}}}"#);
        let value = stringified(text);
        let expected = [
            Some(format!(r#"{{"headers":{{}},"query":{{}},"body":{}}}"#, body(&value))),
            Some(value.clone()).filter(|value| value != "null"),
            Some(format!(r#"{{"wrapped":{value}}}"#)),
        ];
        if server.store.codec.backend() == DbBackend::Postgres {
            assert_eq!(kept, expected, "{text}");
            continue;
        }
        for (kept, expected) in kept.iter().zip(&expected) {
            let parsed =
                |text: &Option<String>| text.as_ref().map(|text| serde_json::from_str(text).expect(text));
            let (kept_value, expected_value): (Option<Value>, Option<Value>) =
                (parsed(kept), parsed(expected));
            let is_same = same(&kept_value.unwrap_or_default(), &expected_value.unwrap_or_default());
            assert!(is_same, "{text}: {kept:?} instead of {expected:?}");
        }
    }
}

fn number() -> impl Strategy<Value = Value> {
    let special = prop::sample::select(vec![
        0.1 + 0.2,
        1e21,
        1e-7,
        1e308,
        5e-324,
        -0.0,
        1.0,
        9_007_199_254_740_991.0,
        9_007_199_254_740_992.0,
        -9_223_372_036_854_775_808.0,
        18_446_744_073_709_551_616.0,
        123_456_789_012_345_680_000.0,
    ]);
    prop_oneof![
        special.prop_map(|number: f64| json!(number)),
        any::<i32>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has finite numbers only", |n| n.is_finite()).prop_map(|n| json!(n)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let numeric =
        ["5", "1.0", "1e308", " 7 ", "0x10", "null", "true", "", "Infinity", "2026-11-22", "{}", "[1"];
    prop_oneof![
        prop::sample::select(numeric.to_vec()).prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        ".{0,12}",
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let members = prop::collection::vec((text(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// One batch instead of a run per value, because it is the database that takes the time.
fn generated() -> Vec<String> {
    let mut runner = TestRunner::default();
    let tree = |_| value().new_tree(&mut runner).expect("a value").current().to_string();
    (0..CASES).map(tree).collect()
}

#[tokio::test]
async fn any_json_comes_back_from_what_a_caller_waits_for() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        check(&server, &keeping("k", true), &generated()).await;
        server.stop().await;
    })
    .await;
}

/// With one worker nearly all executions wait in the database, and their contexts are read back from there.
#[tokio::test]
async fn any_json_comes_back_from_what_has_waited_for_a_worker() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_WORKERS", "1")]).await;
        check(&server, &keeping("k", false), &generated()).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn odd_numbers_and_texts_come_back() {
    let texts = [
        r#"{"z":1.0,"a":2,"m":{"b":1,"a":2}}"#,
        r#"[1e21,1E+21,1.0,-0,-0.0,0.1,0.30000000000000004,1e308,5e-324,9007199254740993,1e-7]"#,
        r#"["\u0000","a\u0000b","\u001f","\u2028","\"\\","\ud83d\ude00","5","1e5","null"]"#,
        r#"{"2":"b","1":"a","":0,"__proto__":1,"\u0000":2}"#,
        "1e308",
        "-0",
        "1.0",
        "1e21",
        "9007199254740993",
        "-9223372036854775808",
        "18446744073709551616",
        r#""9007199254740993""#,
        r#""1.0""#,
        r#""""#,
        "true",
        "null",
        "[]",
        "{}",
    ];
    let texts = texts.map(str::to_owned);
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        check(&server, &keeping("sync", true), &texts).await;
        check(&server, &keeping("async", false), &texts).await;
        server.stop().await;
    })
    .await;
}

/// The letters that NocoBase would have stored, not only an equal value.
#[tokio::test]
async fn postgres_keeps_json_to_the_letter() {
    on_databases(&[Kind::Postgres], async |database| {
        let server = TestServer::start(&database).await;
        let hook = keeping("k", true);
        server.add(&hook).await;
        let request = server.client.post(server.trigger_url("k")).header("content-type", "application/json");
        let sent = r#"{"n":0,"value":{"z":1.0,"a":1e21,"é":"\u0000/\u00e9","7":-0,"l":[1e-7,0.10]}}"#;
        assert_eq!(request.body(sent).send().await.expect("an answer").status(), 200);
        let execution = &server.executions(hook.id).await[0];
        let [context, result, output] = stored(&server, execution).await;
        let kept = r#"{"7":0,"z":1,"a":1e+21,"é":"\u0000/é","l":[1e-7,0.1]}"#;
        assert_eq!(result.as_deref(), Some(kept));
        assert_eq!(output, Some(format!(r#"{{"wrapped":{kept}}}"#)));
        assert_eq!(
            context,
            Some(format!(r#"{{"headers":{{}},"query":{{}},"body":{{"value":{kept},"n":0}}}}"#))
        );
        server.stop().await;
    })
    .await;
}

/// A record above a megabyte takes a way of its own.
#[tokio::test]
async fn large_bodies_come_back() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let texts: Vec<String> =
            [1, 900, 1_100].map(|kb| format!("\"{}\"", "x€".repeat(kb * 256))).into_iter().collect();
        check(&server, &keeping("k", true), &texts).await;
        server.stop().await;
    })
    .await;
}

/// The times of rows that sidehook writes, as text: those of executions, jobs and counters.
async fn times(server: &Rows) -> Vec<String> {
    let columns = [
        (Table::Executions, &["createdAt", "updatedAt", "startedAt", "expiresAt"][..]),
        (Table::Jobs, &["createdAt", "updatedAt", "startedAt"][..]),
        (Table::WorkflowStats, &["updatedAt"][..]),
        (Table::WorkflowVersionStats, &["updatedAt"][..]),
    ];
    let mut times = Vec::new();
    for (table, fields) in columns {
        for field in fields {
            let column = match server.store.codec.backend() {
                DbBackend::Postgres => format!(
                    "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
                    server.quoted(field)
                ),
                DbBackend::MySql => format!("CAST({} AS CHAR)", server.quoted(field)),
                _ => server.quoted(field),
            };
            let found = server.texts(&format!("SELECT {column} FROM {}", server.table(table))).await;
            assert!(!found.is_empty(), "{field} of {table:?}");
            times
                .extend(found.into_iter().map(|time| time.unwrap_or_else(|| panic!("{field} of {table:?}"))));
        }
    }
    times
}

/// Runs a workflow of each mode with a time limit, so that every kind of time is written.
async fn run_both_modes(server: &TestServer) -> Vec<Value> {
    let mut executions = Vec::new();
    for (key, is_sync) in [("sync", true), ("async", false)] {
        let mut hook = keeping(key, is_sync);
        hook.options = json!({"timeout": 60_000}).to_string();
        server.add(&hook).await;
        assert_eq!(server.post(key, &json!({"value": key})).await.status(), 200);
        executions.extend(server.settled(hook.id, 1, TIMEOUT).await);
    }
    executions
}

#[tokio::test]
async fn sqlite_holds_times_in_nocobases_text_form() {
    on_databases(&[Kind::Sqlite], async |database| {
        let server = TestServer::start_with(&database, &[("DB_TIMEZONE", "+08:00")]).await;
        run_both_modes(&server).await;
        for time in times(&server).await {
            let form = time.replace(|c: char| c.is_ascii_digit(), "0");
            assert_eq!(form, "0000-00-00 00:00:00.000 +00:00", "{time}");
            assert!(time.ends_with(" +00:00"), "{time}");
        }
        server.stop().await;
    })
    .await;
}

/// JavaScript's dates have no more.
#[tokio::test]
async fn times_have_whole_milliseconds() {
    on_databases(&[Kind::Postgres], async |database| {
        let server = TestServer::start(&database).await;
        run_both_modes(&server).await;
        for time in times(&server).await {
            assert!(time.ends_with("000"), "{time}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_zone_setting_shifts_the_times_of_mysql_only() {
    let zones = [("+08:00", 8), ("-05:30", -5)];
    on_every_database(async |database| {
        for (i, (zone, _)) in zones.iter().enumerate() {
            let prefix = format!("p{i}_");
            let settings = [("DB_TIMEZONE", *zone), ("DB_TABLE_PREFIX", prefix.as_str())];
            let before = SystemClock.now();
            let server = TestServer::start_with(&database, &settings).await;
            let executions = run_both_modes(&server).await;
            let shift = match database.kind {
                Kind::Mysql if *zone == "+08:00" => TimeDelta::hours(8),
                Kind::Mysql => TimeDelta::minutes(-330),
                _ => TimeDelta::zero(),
            };
            let tolerance = TimeDelta::seconds(2);
            // The latest that anything is set to is a minute ahead: `expiresAt`.
            let range = before - tolerance..=SystemClock.now() + TimeDelta::minutes(1) + tolerance;
            for time in times(&server).await {
                let text = time.trim_end_matches(" +00:00");
                let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").expect(text);
                let time = naive.and_utc() - shift;
                assert!(range.contains(&time), "{text} in the zone {zone}");
            }
            for execution in executions {
                let id = execution["id"].as_i64().expect("an id");
                let row = server.store.find_executions(&[id]).await.expect("the database answers").remove(0);
                let read = |time: Option<entity::Timestamp>| -> DateTime<Utc> {
                    server.store.codec.read_time(time.expect("a time"))
                };
                assert!(range.contains(&read(row.started_at)), "{zone}");
                let allowed = read(row.expires_at) - read(row.started_at);
                assert!((allowed - TimeDelta::minutes(1)).abs() < tolerance, "{zone}: {allowed}");
            }
            server.stop().await;
        }
    })
    .await;
}

/// The epoch of job ids is a time of the database, too: in its zone it must not seem to lie in the future.
#[tokio::test]
async fn job_ids_are_positive_in_every_zone() {
    on_every_database(async |database| {
        for (i, zone) in ["-11:00", "+14:00"].into_iter().enumerate() {
            let prefix = format!("p{i}_");
            let settings = [("DB_TIMEZONE", zone), ("DB_TABLE_PREFIX", prefix.as_str())];
            let server = TestServer::start_with(&database, &settings).await;
            for execution in run_both_modes(&server).await {
                let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
                let ids: Vec<i64> = jobs.iter().filter_map(|job| job["id"].as_i64()).collect();
                assert!(ids.iter().all(|id| *id > 0), "{zone}: {ids:?}");
            }
            server.stop().await;
        }
    })
    .await;
}
