//! The sql node on all databases: shapes of results, variables, time limits, and its transaction.

use serde_json::{Value, json};

use crate::databases::{Kind, Product, TestDatabase};
use crate::fixture::{node, workflow};
use crate::server::{TestServer, on_databases, on_every_database};

/// Runs an sql node and returns status and result of its job.
async fn run(server: &TestServer, config: &Value) -> (i64, Value) {
    let key = format!("w{}", crate::fixture::next_id());
    let trigger = json!({"request": {"body": [{"key": "v"}]}});
    let hook = workflow(&key, true, &trigger, &[node("s", "sql", config.clone())]);
    server.add(&hook).await;
    server.post(&key, &json!({"v": "te'xt"})).await;
    let executions = server.executions(hook.id).await;
    let jobs = server.jobs(executions[0]["id"].as_i64().expect("an id")).await;
    (jobs[0]["status"].as_i64().expect("a status"), jobs[0]["result"].clone())
}

async fn start(database: &TestDatabase) -> TestServer {
    let server = TestServer::start_with(database, &[("SIDEHOOK_SQL_TIMEOUT", "1s")]).await;
    let id = match database.kind {
        Kind::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
        Kind::Postgres => "serial PRIMARY KEY",
        Kind::Mysql => "int AUTO_INCREMENT PRIMARY KEY",
    };
    server.execute(&format!("CREATE TABLE t (id {id}, name varchar(50), n int, j json)")).await;
    server
}

#[tokio::test]
async fn a_value_stays_in_the_comment_around_it() {
    on_databases(&[Kind::Postgres], async |database| {
        let server = start(&database).await;
        let config = json!({
            "sql": "select 1 as one /* outer /* inner */ :a */",
            "variables": [{"name": "a", "value": "*/ union all select 4711 /*"}],
        });
        assert_eq!(run(&server, &config).await, (1, json!([{"one": 1}])));
        let ending = json!({"sql": "/* a /* b */ c */ commit"});
        assert_eq!(run(&server, &ending).await.0, -2);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn results_have_the_shapes_of_nocobase_s_drivers() {
    on_every_database(async |database| {
        let server = start(&database).await;
        let insert = json!({"sql": "insert into t (name, n, j) values (:v, 5, '{\"a\":[1]}')", "variables": [{"name": "v", "value": "{{$context.body.v}}"}]});
        let select = json!({"sql": "select id, name, n, j from t order by id"});
        let update = json!({"sql": "update t set n = n + 1"});
        let with_meta = |config: &Value| {
            let mut config = config.clone();
            config["withMeta"] = json!(true);
            config
        };
        let header = |affected: i32| json!({"fieldCount": 0, "affectedRows": affected, "insertId": 0, "info": "", "serverStatus": 2, "warningStatus": 0});
        let parsed = json!([{"id": 1, "name": "te'xt", "n": 5, "j": {"a": [1]}}]);
        let (inserted, meta, selected, updated, dropped) = match database.kind {
            Kind::Postgres => (json!([]), json!([[], 1]), parsed, json!([]), json!([])),
            Kind::Mysql => {
                // MariaDB's JSON is a text, as mysql2 gives it.
                let row = json!([{"id": 1, "name": "te'xt", "n": 5, "j": "{\"a\":[1]}"}]);
                (json!(1), json!([2, 1]), row, header(2), header(0))
            }
            Kind::Sqlite => {
                let row = json!([{"id": 1, "name": "te'xt", "n": 5, "j": "{\"a\":[1]}"}]);
                (Value::Null, json!([null, {"lastID": 2, "changes": 1}]), row, json!([]), json!([]))
            }
        };
        let kind = database.kind;
        assert_eq!(run(&server, &insert).await, (1, inserted), "{kind}");
        let (status, found) = run(&server, &select).await;
        // MySQL has a type of its own for JSON.
        let has_json = database.product == Product::Mysql;
        let selected = if has_json { json!([{"id": 1, "name": "te'xt", "n": 5, "j": {"a": [1]}}]) } else { selected };
        assert_eq!((status, found), (1, selected), "{kind}");
        assert_eq!(run(&server, &with_meta(&insert)).await, (1, meta), "{kind}");
        assert_eq!(run(&server, &update).await, (1, updated), "{kind}");
        assert_eq!(run(&server, &json!({"sql": "drop table t"})).await, (1, dropped), "{kind}");
        assert_eq!(run(&server, &json!({"sql": " "})).await, (1, Value::Null));
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn several_statements_run_as_the_driver_would_run_them() {
    on_every_database(async |database| {
        let server = start(&database).await;
        let both = json!({"sql": "select 1 as a; select ';' as b;"});
        let expected = match database.kind {
            Kind::Postgres => json!([{"a": 1}, {"b": ";"}]),
            Kind::Mysql => json!([[{"a": 1}], [{"b": ";"}]]),
            Kind::Sqlite => json!([{"a": 1}]),
        };
        assert_eq!(run(&server, &both).await, (1, expected), "{}", database.kind);
        if database.kind != Kind::Sqlite {
            // What stands before a statement that fails is taken back with it.
            let failing = json!({"sql": "insert into t (n) values (1); insert into nosuch values (1)"});
            let (status, result) = run(&server, &failing).await;
            assert_eq!((status, result["name"].as_str()), (-2, Some("SequelizeDatabaseError")));
            assert_eq!(server.number("select count(*) from t").await, 0, "{}", database.kind);
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn no_variable_leaves_its_literal() {
    on_every_database(async |database| {
        let server = start(&database).await;
        let evil = [
            "it's",
            "'; drop table t; --",
            "\\'; drop table t; --",
            "\\",
            "\\\\'",
            "\"; drop table t; --",
            "`; drop table t; --",
            "$$; drop table t; --",
            "*/ drop table t; --",
            ":v",
            "?",
            "$1",
            "é😀\n\t",
        ];
        for text in evil {
            let config = json!({"sql": "select :v as v /* :v */", "variables": [{"name": "v", "value": text}]});
            assert_eq!(run(&server, &config).await, (1, json!([{"v": text}])), "{text} on {}", database.kind);
            let config = json!({"sql": "insert into t (name) values (:v)", "variables": [{"name": "v", "value": text}]});
            assert_eq!(run(&server, &config).await.0, 1, "{text} on {}", database.kind);
        }
        assert_eq!(server.number("select count(*) from t").await, evil.len() as i64);
        let listed = json!({"sql": "select count(*) as c from t where name in (:v)", "variables": [{"name": "v", "value": ["it's", "\\", "x"]}]});
        assert_eq!(run(&server, &listed).await, (1, json!([{"c": 2}])), "{}", database.kind);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn errors_of_mysql_have_the_symbols_of_its_driver() {
    on_databases(&[Kind::Mysql], async |database| {
        let server = start(&database).await;
        let statements = [
            ("selec 1", "ER_PARSE_ERROR", 1064),
            ("select nope from t", "ER_BAD_FIELD_ERROR", 1054),
            ("select * from nope", "ER_NO_SUCH_TABLE", 1146),
            ("insert into t (id) values (1), (1)", "ER_DUP_ENTRY", 1062),
        ];
        for (sql, code, number) in statements {
            let (status, result) = run(&server, &json!({"sql": sql})).await;
            assert_eq!(status, -2, "{sql}: {result}");
            for part in ["parent", "original"] {
                let found = (&result[part]["code"], &result[part]["errno"]);
                assert_eq!(found, (&json!(code), &json!(number)), "{sql} on {}", database.product);
            }
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn backslashes_are_safe_whatever_mode_the_server_is_in() {
    let database = TestDatabase::create(Kind::Mysql).await;
    let Some(database) = database else { return };
    let server = start(&database).await;
    let text = "\\'; drop table t; -- \\";
    let sql = "set sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES'); select :v as v";
    let config = json!({"sql": sql, "variables": [{"name": "v", "value": text}]});
    let (status, result) = run(&server, &config).await;
    assert_eq!((status, &result[1]), (1, &json!([{"v": text}])));
    server.stop().await;
}

#[tokio::test]
async fn a_statement_ends_when_its_time_is_over() {
    // SQLite cannot be told to stop.
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let server = start(&database).await;
        let many = "information_schema.collations";
        let slow = match database.kind {
            Kind::Postgres => "select pg_sleep(30)".to_owned(),
            _ => format!("select count(*) from {many} a, {many} b, {many} c, {many} d"),
        };
        let (status, result) = run(&server, &json!({"sql": slow})).await;
        assert_eq!(status, -2, "{result} on {}", database.kind);
        if database.kind == Kind::Mysql {
            let (status, result) =
                run(&server, &json!({"sql": "insert into t (n) values (sleep(30))"})).await;
            assert_eq!(status, -2, "{result}");
        }
        let quick = run(&server, &json!({"sql": "select 1 as a"})).await;
        assert_eq!(quick, (1, json!([{"a": 1}])), "{}", database.kind);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn statements_that_end_the_transaction_are_refused() {
    on_databases(&[Kind::Postgres, Kind::Sqlite], async |database| {
        let server = start(&database).await;
        for sql in ["commit", "insert into t (n) values (1); /* x */ COMMIT", "-- x\nbegin", "rollback"] {
            let (status, result) = run(&server, &json!({"sql": sql})).await;
            let message = result["message"].as_str().unwrap_or_default();
            assert!(status == -2 && message.contains("transaction"), "{sql}: {result}");
        }
        assert_eq!(server.number("select count(*) from t").await, 0);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn values_of_postgres_come_back_as_its_driver_gives_them() {
    on_databases(&[Kind::Postgres], async |database| {
        let server = start(&database).await;
        let sql = "select '\\x0102'::bytea a, interval '1 year 2 months -3 days 04:05:06.789' b, array[[1,2],[3,null]] c, \
                   array['2024-02-29'::date] d, 'infinity'::date e, -1234567.000100::numeric(20,6) f, time '10:00:00.5' g, \
                   array[1.50::numeric, 'NaN'] h, timestamp '2024-02-29 10:00:00.25' i, '24:00'::time j";
        let expected = json!([{
            "a": {"type": "Buffer", "data": [1, 2]},
            "b": {"years": 1, "months": 2, "days": -3, "hours": 4, "minutes": 5, "seconds": 6, "milliseconds": 789},
            "c": [[1, 2], [3, null]],
            "d": ["2024-02-29"],
            "e": "infinity",
            "f": "-1234567.000100",
            "g": "10:00:00.5",
            "h": ["1.50", "NaN"],
            "i": "2024-02-29T10:00:00.250Z",
            "j": "24:00:00",
        }]);
        assert_eq!(run(&server, &json!({"sql": sql})).await, (1, expected));
        let (status, result) = run(&server, &json!({"sql": "select int4range(1, 2) as r"})).await;
        let message = result["message"].as_str().unwrap_or_default();
        assert!(status == -2 && message.contains("\"r\"") && message.contains("INT4RANGE"), "{message}");
        server.stop().await;
    })
    .await;
}
