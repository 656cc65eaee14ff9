//! Every operator of the filter language finds the same records on all databases.

use serde_json::{Value, json};
use sidehook::expr;

use crate::databases::{Kind, TestDatabase};
use crate::records::{Records, plain, value};
use crate::server::{on_databases, on_every_database};

/// s, t, i, d, b, arr, j, the time of at, day and nt, and ux; as SQL.
const ROWS: [[&str; 9]; 6] = [
    [
        "'apple'",
        "'red'",
        "5",
        "1.50",
        "true",
        "'[\"a\"]'",
        "'{\"k\":1,\"o\":{\"p\":\"x\"}}'",
        "2024-02-28 23:59:59",
        "1709164799",
    ],
    [
        "'pear'",
        "NULL",
        "0",
        "2.25",
        "false",
        "'[\"a\",\"b\"]'",
        "'{\"k\":2.5,\"f\":true}'",
        "2024-02-29 00:00:00",
        "1709164800",
    ],
    [
        "'plum_2'",
        "''",
        "-3",
        "10",
        "true",
        "'[\"c\"]'",
        "'{\"k\":\"1\"}'",
        "2024-02-29 23:59:59",
        "1709251199",
    ],
    ["'bolt'", "'50% off'", "100", "0.05", "NULL", "'[]'", "'[1]'", "2024-03-01 00:00:00", "1709251200"],
    ["NULL", "'a_b'", "NULL", "NULL", "true", "NULL", "NULL", "NULL", "NULL"],
    ["''", "'null'", "7", "7", "false", "'[\"b\",\"a\",\"x\"]'", "'{}'", "2023-02-10 10:00:00", "1676023200"],
];

/// The values of a row as SQL: texts of times differ by database.
fn row(kind: Kind, [s, t, i, d, b, arr, j, at, ux]: [&str; 9]) -> String {
    let (instant, clock) = match kind {
        Kind::Sqlite => (" +00:00", " +00:00"),
        Kind::Postgres => ("+00", ""),
        Kind::Mysql => ("", ""),
    };
    let day = at.get(..10).map_or("NULL".to_owned(), |day| format!("'{day}'"));
    let time = |zone: &str| if at == "NULL" { at.to_owned() } else { format!("'{at}.000{zone}'") };
    let f = match s {
        "'apple'" => "20.5",
        "'pear'" => "1.25",
        "'plum_2'" => "1.5",
        _ => "-1",
    };
    format!("{s}, {t}, {i}, {d}, {b}, {arr}, {j}, {}, {day}, {}, {ux}, {f}", time(instant), time(clock))
}

async fn things(database: &TestDatabase) -> Records {
    things_on(database, &[]).await
}

async fn things_on(database: &TestDatabase, settings: &[(&str, &str)]) -> Records {
    let fields = json!([
        {"name": "s", "type": "string"},
        {"name": "t", "type": "text"},
        {"name": "i", "type": "integer"},
        {"name": "d", "type": "decimal", "precision": 10, "scale": 2},
        {"name": "b", "type": "boolean"},
        {"name": "arr", "type": "array"},
        {"name": "j", "type": "json"},
        {"name": "at", "type": "date"},
        {"name": "day", "type": "dateOnly"},
        {"name": "nt", "type": "datetimeNoTz"},
        {"name": "ux", "type": "unixTimestamp"},
        {"name": "f", "type": "double"},
    ]);
    let records = Records::create_with_settings(database, settings, &[plain("things", fields)]).await;
    let rows = ROWS.map(|cells| row(database.kind, cells));
    let columns = ["s", "t", "i", "d", "b", "arr", "j", "at", "day", "nt", "ux", "f"];
    records.insert("things", &columns, &rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    records
}

async fn check(records: &Records, kind: Kind, cases: &[(Value, &[i64])]) {
    let mut wrong = Vec::new();
    for (filter, expected) in cases {
        match records.ids("things", filter).await {
            Ok(ids) if ids == *expected => {}
            found => wrong.push(format!("{filter}\n  expected: {expected:?}\n  actual:   {found:?}")),
        }
    }
    assert!(wrong.is_empty(), "on {kind}:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn comparisons() {
    on_every_database(async |database| {
        let records = things(&database).await;
        let cases: [(Value, &[i64]); 42] = [
            (json!({"i": 5}), &[1]),
            (json!({"i": [5, 7]}), &[1, 6]),
            (json!({"i": null}), &[5]),
            (json!({"i": {"$eq": "5"}}), &[1]),
            (json!({"i": {"$eq": [0, 7]}}), &[2, 6]),
            (json!({"i": {"$ne": 5}}), &[2, 3, 4, 5, 6]),
            (json!({"i": {"$ne": [5, 7]}}), &[2, 3, 4]),
            (json!({"i": {"$ne": null}}), &[1, 2, 3, 4, 6]),
            (json!({"i": {"$gt": 5}}), &[4, 6]),
            (json!({"i": {"$gt": 4.5}}), &[1, 4, 6]),
            (json!({"i": {"$gte": 5}}), &[1, 4, 6]),
            (json!({"i": {"$lt": 0}}), &[3]),
            (json!({"i": {"$lte": 0}}), &[2, 3]),
            (json!({"i": {"$in": [5, 100, null]}}), &[1, 4]),
            (json!({"i": {"$in": 5}}), &[1]),
            (json!({"i": {"$in": []}}), &[]),
            (json!({"i": {"$in": null}}), &[]),
            (json!({"i": {"$notIn": [5, 100]}}), &[2, 3, 5, 6]),
            (json!({"i": {"$notIn": []}}), &[5]),
            (json!({"i": {"$not_in": [5, 100]}}), &[2, 3, 6]),
            (json!({"i": {"$between": [0, 7]}}), &[1, 2, 6]),
            (json!({"i": {"$notBetween": [0, 7]}}), &[3, 4]),
            (json!({"i": {"$gt": 0, "$lt": 10}}), &[1, 6]),
            // NocoBase makes an $or of $ne, beside which Sequelize looks at nothing else.
            (json!({"i": {"$ne": 5, "$gt": 3}}), &[2, 3, 4, 5, 6]),
            (json!({"i": {"$or": [{"$lt": 0}, {"$gt": 50}]}}), &[3, 4]),
            (json!({"i": {"$not": 5}}), &[2, 3, 4, 6]),
            (json!({"i": {"$not": [5, 0]}}), &[3, 4, 6]),
            (json!({"i": {"$not": null}}), &[1, 2, 3, 4, 6]),
            (json!({"i": {"$is": null}}), &[5]),
            (json!({"b": {"$is": true}}), &[1, 3, 5]),
            (json!({"d": {"$gt": 2}}), &[2, 3, 6]),
            (json!({"d": 2.25}), &[2]),
            (json!({"d": {"$lte": "1.5"}}), &[1, 4]),
            (json!({"b": true}), &[1, 3, 5]),
            (json!({"b": {"$isTruly": true}}), &[1, 3, 5]),
            (json!({"b": {"$isTruly": false}}), &[2, 4, 6]),
            (json!({"b": {"$isFalsy": "true"}}), &[2, 4, 6]),
            (json!({"b": {"$isFalsy": false}}), &[1, 3, 5]),
            (json!({"i": {"$exists": true}}), &[1, 2, 3, 4, 6]),
            (json!({"i": {"$notExists": true}}), &[5]),
            (json!({"i": {"$empty": true}}), &[5]),
            (json!({"i": {"$notEmpty": false}}), &[1, 2, 3, 4, 6]),
        ];
        check(&records, database.kind, &cases).await;
    })
    .await;
}

#[tokio::test]
async fn texts() {
    on_every_database(async |database| {
        let records = things(&database).await;
        let cases: [(Value, &[i64]); 31] = [
            (json!({"s": "pear"}), &[2]),
            (json!({"s": {"$eq": null}}), &[]),
            (json!({"t": {"$eq": null}}), &[2]),
            (json!({"t": {"$eq": "null"}}), &[6]),
            (json!({"s": {"$eq": 5}}), &[]),
            (json!({"s": {"$eq": ["pear", 5]}}), &[2]),
            (json!({"s": {"$ne": "pear"}}), &[1, 3, 4, 5, 6]),
            (json!({"s": {"$includes": "P"}}), &[1, 2, 3]),
            (json!({"s": {"$includes": ["app", "olt"]}}), &[1, 4]),
            (json!({"s": {"$includes": null}}), &[5]),
            (json!({"s": {"$notIncludes": "p"}}), &[4, 6]),
            (json!({"s": {"$notIncludes": ["app", "olt"]}}), &[2, 3, 6]),
            (json!({"s": {"$notIncludes": null}}), &[1, 2, 3, 4, 6]),
            (json!({"s": {"$startsWith": "p"}}), &[2, 3]),
            (json!({"s": {"$startsWith": ["b", "a"]}}), &[1, 4]),
            (json!({"s": {"$notStartsWith": "p"}}), &[1, 4, 6]),
            (json!({"s": {"$endWith": "r"}}), &[2]),
            (json!({"s": {"$notEndWith": "r"}}), &[1, 3, 4, 6]),
            (json!({"t": {"$includes": "%"}}), &[4]),
            (json!({"t": {"$includes": "_"}}), &[5]),
            (json!({"s": {"$like": "p%"}}), &[2, 3]),
            (json!({"s": {"$notLike": "p%"}}), &[1, 4, 6]),
            (json!({"s": {"$endsWith": "lt"}}), &[4]),
            (json!({"s": {"$substring": "ppl"}}), &[1]),
            (json!({"s": {"$empty": true}}), &[5, 6]),
            (json!({"s": {"$notEmpty": true}}), &[1, 2, 3, 4]),
            (json!({"t": {"$empty": true}}), &[2]),
            // Beside the $or that $ne becomes Sequelize looks at nothing else.
            (json!({"s": {"$includes": "p", "$ne": "pear"}}), &[1, 3, 4, 5, 6]),
            (json!({"s": {"$includes": "p", "$gt": "b"}}), &[2, 3]),
            (json!({"s": {"$includes": ["p", "b"], "$gt": "b"}}), &[1, 2, 3, 4]),
            (json!({"s.$includes": "pp"}), &[1]),
        ];
        check(&records, database.kind, &cases).await;
        if database.kind != Kind::Sqlite {
            let cases: [(Value, &[i64]); 2] = [
                (json!({"s": {"$regexp": "^p"}}), &[2, 3]),
                (json!({"s": {"$notRegexp": "^p"}}), &[1, 4, 6]),
            ];
            check(&records, database.kind, &cases).await;
        }
        if database.kind == Kind::Postgres {
            let cases: [(Value, &[i64]); 4] = [
                (json!({"s": {"$iLike": "P%"}}), &[2, 3]),
                (json!({"s": {"$notILike": "P%"}}), &[1, 4, 6]),
                (json!({"s": {"$iRegexp": "^P"}}), &[2, 3]),
                (json!({"s": {"$notIRegexp": "^P"}}), &[1, 4, 6]),
            ];
            check(&records, database.kind, &cases).await;
        }
    })
    .await;
}

#[tokio::test]
async fn arrays_and_json() {
    on_every_database(async |database| {
        let records = things(&database).await;
        let cases: [(Value, &[i64]); 16] = [
            (json!({"arr": {"$anyOf": ["b", "c"]}}), &[2, 3, 6]),
            (json!({"arr": {"$anyOf": "b"}}), &[2, 6]),
            (json!({"arr": {"$noneOf": ["a"]}}), &[3, 4, 5]),
            (json!({"arr": {"$match": ["b", "a"]}}), &[2]),
            (json!({"arr": {"$notMatch": ["a"]}}), &[2, 3, 4, 6]),
            (json!({"arr": {"$arrayEmpty": true}}), &[4, 5]),
            (json!({"arr": {"$arrayNotEmpty": true}}), &[1, 2, 3, 6]),
            (json!({"arr": {"$empty": true}}), &[4, 5]),
            (json!({"arr": {"$notEmpty": true}}), &[1, 2, 3, 6]),
            (json!({"arr": null}), &[5]),
            (json!({"j": {"o": {"p": "x"}}}), &[1]),
            (json!({"j.o.p": "x"}), &[1]),
            (json!({"j": {"k": {"$gt": 2}}, "id": 2}), &[2]),
            (json!({"j": {"f": true}}), &[2]),
            (json!({"j": {"$empty": true}}), &[5]),
            (json!({"j": {"$notEmpty": true}}), &[1, 2, 3, 4, 6]),
        ];
        check(&records, database.kind, &cases).await;
        if database.kind == Kind::Postgres {
            let cases: [(Value, &[i64]); 2] = [
                (json!({"arr": {"$contains": {"$eq": 1}}}), &[]),
                (json!({"arr": {"$contained": ["a"]}}), &[1, 4]),
            ];
            // Objects with operators are no operands.
            assert!(records.ids("things", &cases[0].0).await.is_err());
            check(&records, database.kind, &cases[1..]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn dates() {
    on_every_database(async |database| {
        let records = things(&database).await;
        let mut cases: Vec<(Value, &[i64])> = Vec::new();
        for field in ["at", "day", "nt", "ux"] {
            cases.extend([
                (json!({field: {"$dateOn": "2024-02-29"}}), &[2, 3][..]),
                (json!({field: {"$dateNotOn": "2024-02-29"}}), &[1, 4, 6]),
                (json!({field: {"$dateBefore": "2024-02-29"}}), &[1, 6]),
                (json!({field: {"$dateNotBefore": "2024-02-29"}}), &[2, 3, 4]),
                (json!({field: {"$dateAfter": "2024-02-29"}}), &[4]),
                (json!({field: {"$dateNotAfter": "2024-02-29"}}), &[1, 2, 3, 6]),
                (json!({field: {"$dateBetween": ["2024-02-01", "2024-02-29"]}}), &[1, 2, 3]),
                (json!({field: {"$dateOn": "2024-02"}}), &[1, 2, 3]),
                (json!({field: {"$dateOn": "2024Q1"}}), &[1, 2, 3, 4]),
                (json!({field: {"$dateOn": ["2024-02-29", "2024-03-01", "[)", "+00:00"]}}), &[2, 3]),
                (json!({field: {"$dateOn": {"type": "today"}}}), &[]),
                (json!({field: {"$dateBefore": {"type": "thisMonth"}}}), &[1, 2, 3, 4, 6]),
                (json!({field: {"$empty": true}}), &[5]),
            ]);
        }
        cases.extend([
            (json!({"at": {"$dateOn": "2024-02-29T00:00:00.000Z"}}), &[2][..]),
            (json!({"at": {"$dateNotOn": "2024-02-29T00:00:00.000Z"}}), &[1, 3, 4, 6]),
            (json!({"at": {"$dateAfter": "2024-02-29T00:00:00.000Z"}}), &[3, 4]),
            (json!({"at": {"$dateNotAfter": "2024-02-29T00:00:00.000Z"}}), &[1, 2, 6]),
            (json!({"at": {"$dateOn": "2024-02-29+02:00"}}), &[1, 2]),
            (json!({"at": {"$gt": "2024-02-29T12:00:00.000Z"}}), &[3, 4]),
            (json!({"at": "2024-02-29T00:00:00Z"}), &[2]),
            (json!({"day": "2024-02-29"}), &[2, 3]),
            (json!({"ux": {"$gt": 1_709_164_800}}), &[3, 4]),
        ]);
        check(&records, database.kind, &cases).await;
        for (filter, message) in [
            (json!({"at": {"$dateOn": null}}), "Invalid Date null"),
            (json!({"at": {"$dateOn": "soon"}}), "Invalid Date \"soon\""),
            (json!({"at": {"$dateOn": "2024-13"}}), "Invalid time value"),
        ] {
            assert_eq!(records.ids("things", &filter).await, Err(message.to_owned()), "{filter}");
        }
    })
    .await;
}

#[tokio::test]
async fn conditions_nest() {
    on_every_database(async |database| {
        let records = things(&database).await;
        let cases: [(Value, &[i64]); 11] = [
            (json!({}), &[1, 2, 3, 4, 5, 6]),
            (json!({"$and": []}), &[1, 2, 3, 4, 5, 6]),
            (json!({"$or": []}), &[1, 2, 3, 4, 5, 6]),
            (json!({"$and": [{}]}), &[1, 2, 3, 4, 5, 6]),
            (json!({"$and": [{"$or": []}]}), &[]),
            (json!({"$or": [{"i": 5}, {"$and": [{"b": true}, {"i": {"$lt": 0}}]}]}), &[1, 3]),
            (json!({"$and": [{"$or": [{"i": 5}, {"i": 7}]}, {"b": true}]}), &[1]),
            (json!({"$not": {"b": true}}), &[2, 6]),
            (json!({"$not": [{"b": true}, {"i": 5}]}), &[2, 3, 4, 6]),
            (json!({"$or": {"i": 5, "s": "pear"}}), &[1, 2]),
            (json!({"i": {"$gt": 0}, "b": true}), &[1]),
        ];
        check(&records, database.kind, &cases).await;
    })
    .await;
}

#[tokio::test]
async fn operands_that_make_no_sense_throw_what_nocobase_throws() {
    on_every_database(async |database| {
        let records = things(&database).await;
        for (filter, message) in [
            (json!({"s": {"$includes": 5}}), "value.replace is not a function"),
            (json!({"s": {"$startsWith": null}}), "Cannot read properties of null (reading 'replace')"),
            (json!({"i": {"$notIn": null}}), "Cannot read properties of null (reading 'length')"),
            (json!({"s": {"$gt": {"a": 1}}}), "Invalid value { a: 1 }"),
            (json!({"s": {"a": 1}}), "Invalid value { a: 1 }"),
            (json!({"s": {"$not": {"$eq": "5"}}}), "Invalid value { [Symbol(eq)]: '5' }"),
            (json!({"i": {"$col": "id"}}), "the operator $col is not allowed in a filter"),
        ] {
            assert_eq!(records.ids("things", &filter).await, Err(message.to_owned()), "{filter}");
        }
        let undefined = sidehook::expr::Value::object([("i", sidehook::expr::Value::Undefined)]);
        let find = sidehook::collection::Find { filter: undefined, ..Default::default() };
        let thrown = records.find("things", &find).await.expect_err("undefined is no operand");
        assert_eq!(thrown.message, "WHERE parameter \"i\" has invalid \"undefined\" value");
    })
    .await;
}

/// An operand of each kind that a template can give.
fn operands() -> Vec<expr::Value> {
    let list = |json: Value| value(&json);
    let mut all = vec![expr::Value::Undefined, expr::Value::Date(expr::Date(1_709_164_800_000.0))];
    let given = [
        json!(null),
        json!(true),
        json!(5),
        json!(5_000_000_000_i64),
        json!(1.5),
        json!(1e21),
        json!("5"),
        json!("x"),
        json!("2024-02-29"),
        json!(""),
        json!([]),
        json!({}),
        json!([5, 5_000_000_000_i64]),
        json!([5_000_000_000_i64, 5]),
        json!(["5", 1.5]),
        json!({"k": 1}),
    ];
    all.extend(given.map(list));
    all
}

/// The statements of one connection are kept by their texts: whatever was asked before, an answer is the same as that
/// of a connection that keeps none.
#[tokio::test]
async fn an_answer_does_not_depend_on_what_was_asked_before() {
    on_every_database(async |database| {
        let records = things_on(&database, &[("DB_POOL_MAX", "1")]).await;
        let kept = if database.kind == Kind::Sqlite { "" } else { "?statement-cache-capacity=0" };
        let forgetful =
            sea_orm::Database::connect(format!("{}{kept}", database.url)).await.expect("it opens");
        let fields = ["s", "t", "i", "d", "f", "b", "arr", "j", "at", "day", "nt", "ux"];
        let operators = [
            "$eq",
            "$ne",
            "$gt",
            "$in",
            "$notIn",
            "$like",
            "$between",
            "$includes",
            "$endsWith",
            "$match",
            "$notMatch",
            "$anyOf",
            "$noneOf",
            "$dateOn",
        ];
        let mut wrong = Vec::new();
        for field in fields {
            for operator in operators {
                let filters: Vec<expr::Value> = operands()
                    .into_iter()
                    .map(|operand| expr::Value::object([(field, expr::Value::object([(operator, operand)]))]))
                    .collect();
                let mut alone = Vec::new();
                for filter in &filters {
                    alone.push(records.ids_on(&forgetful, "things", filter.clone()).await);
                }
                // One after the other, and by leaps.
                let count = filters.len();
                let order = (0..count).chain((0..count).map(|at| at * 7 % count));
                for at in order {
                    let found = records.ids_on(&records.rows.store.db, "things", filters[at].clone()).await;
                    if found != alone[at] {
                        wrong.push(format!("{:?}: {found:?} instead of {:?}", filters[at], alone[at]));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "on {}:\n{}", database.kind, wrong.join("\n"));
    })
    .await;
}

type Found = Result<Vec<i64>, &'static str>;

fn operator(field: &str, name: &str, operand: expr::Value) -> expr::Value {
    expr::Value::object([(field.to_owned(), expr::Value::object([(name.to_owned(), operand)]))])
}

/// What is found with operands that make little sense, on all databases.
fn odd_operands(kind: Kind) -> Vec<(expr::Value, Found)> {
    let undefined = || expr::Value::Undefined;
    let json = |operand: Value| value(&operand);
    let all = || Ok(vec![1, 2, 3, 4, 5, 6]);
    let above_nan = if kind == Kind::Mysql { Ok(vec![1, 2, 3]) } else { Ok(vec![]) };
    let no_length = "Cannot read properties of undefined (reading 'length')";
    vec![
        (operator("arr", "$notMatch", undefined()), Ok(vec![])),
        (operator("s", "$endsWith", undefined()), Ok(vec![])),
        (operator("s", "$substring", undefined()), Ok(vec![])),
        (operator("s", "$like", undefined()), Ok(vec![])),
        (operator("i", "$gt", undefined()), Ok(vec![])),
        (operator("i", "$between", undefined()), Err("Cannot read properties of undefined (reading '0')")),
        (
            operator("i", "$notBetween", json(json!(null))),
            Err("Cannot read properties of null (reading '0')"),
        ),
        (operator("i", "$between", json(json!("07"))), Ok(vec![1, 2, 6])),
        (operator("i", "$notIn", undefined()), Err(no_length)),
        (operator("f", "$gt", json(json!("x"))), above_nan),
        (operator("f", "$ne", json(json!("1,5"))), all()),
        (operator("f", "$gt", json(json!("1.4"))), Ok(vec![1, 3])),
        (operator("at", "$gt", json(json!(1_709_164_800_000_i64))), Ok(vec![3, 4])),
        (operator("at", "$in", json(json!([1_709_164_800_000_i64]))), Ok(vec![2])),
        (operator("at", "$lt", json(json!({}))), Ok(vec![1, 2, 3, 4, 6])),
        (operator("day", "$eq", json(json!(1_709_208_000_000_i64))), Ok(vec![2, 3])),
    ]
}

/// The same where the databases differ.
fn refused_operands(kind: Kind) -> Vec<(expr::Value, Found)> {
    let json = |operand: Value| value(&operand);
    if kind != Kind::Postgres {
        return vec![
            (operator("arr", "$anyOf", json(json!([]))), Ok(vec![])),
            (operator("arr", "$noneOf", json(json!([]))), Ok(vec![1, 2, 3, 4, 5, 6])),
        ];
    }
    let no_type = "cannot determine type of empty array";
    let no_operator = [
        "operator does not exist: character varying <> integer",
        "operator does not exist: character varying = boolean",
        "operator does not exist: text ~~ integer",
        "operator does not exist: character varying > text[]",
    ];
    vec![
        (operator("arr", "$anyOf", json(json!([]))), Err(no_type)),
        (operator("arr", "$noneOf", json(json!([]))), Err(no_type)),
        (operator("s", "$ne", json(json!(825_373_492))), Err(no_operator[0])),
        (operator("s", "$isTruly", json(json!(true))), Err(no_operator[1])),
        (operator("t", "$like", json(json!(5))), Err(no_operator[2])),
        (operator("s", "$gt", json(json!(["a"]))), Err(no_operator[3])),
        (operator("i", "$gt", expr::Value::Number(f64::NAN)), Err("column \"nan\" does not exist")),
    ]
}

#[tokio::test]
async fn odd_operands_find_what_nocobase_finds() {
    on_every_database(async |database| {
        let records = things(&database).await;
        let mut wrong = Vec::new();
        for (filter, expected) in
            odd_operands(database.kind).into_iter().chain(refused_operands(database.kind))
        {
            let found = records.ids_on(&records.rows.store.db, "things", filter.clone()).await;
            if found != expected.clone().map_err(str::to_owned) {
                wrong.push(format!("{filter:?}\n  expected: {expected:?}\n  actual:   {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "on {}:\n{}", database.kind, wrong.join("\n"));
    })
    .await;
}

/// What NocoBase's driver writes for this character on PostgreSQL is what a filter looks for.
#[tokio::test]
async fn the_character_nul_is_found_as_it_is_stored() {
    on_databases(&[Kind::Postgres], async |database| {
        let records = things(&database).await;
        records.insert("things", &["s", "t", "arr"], &[r"'a\0b', 'a\0b', '[]'"]).await;
        for filter in [
            json!({"s": "a\u{0}b"}),
            json!({"t": {"$in": ["a\u{0}b"]}}),
            json!({"t": {"$endsWith": "\u{0}b"}}),
        ] {
            assert_eq!(records.ids("things", &filter).await, Ok(vec![7]), "{filter}");
        }
        // In a pattern the backslash takes the meaning from what follows it, so that `a0%` is looked for.
        let pattern = json!({"t": {"$like": "a\u{0}%"}});
        assert_eq!(records.ids("things", &pattern).await, Ok(vec![]), "{pattern}");
    })
    .await;
}

#[tokio::test]
async fn long_lists_are_one_value() {
    on_every_database(async |database| {
        let records = things(&database).await;
        let numbers: Vec<i64> = (5..70_005).collect();
        let texts: Vec<String> = numbers.iter().map(i64::to_string).chain(["apple".to_owned()]).collect();
        let cases = [
            (json!({"i": {"$in": numbers}}), Ok(vec![1, 4, 6])),
            (json!({"i": {"$not": numbers}}), Ok(vec![2, 3])),
            (json!({"t": {"$notIn": texts}}), Ok(vec![1, 2, 3, 4, 5, 6])),
            (json!({"s": texts}), Ok(vec![1])),
        ];
        for (place, (filter, expected)) in cases.into_iter().enumerate() {
            let found = records.ids("things", &filter).await;
            if database.kind == Kind::Mysql {
                let message = found.expect_err("MySQL counts values");
                assert!(message.contains("takes at most 65000 in one"), "{message}");
            } else {
                assert_eq!(found, expected, "{} {place}", database.kind);
            }
        }
    })
    .await;
}
