//! Operands of every type: what they find, what they are refused with, and that no earlier one matters.

use serde_json::{Value, json};
use sidehook::expr;

use super::things::{things, things_on};
use crate::databases::Kind;
use crate::records::value;
use crate::server::on_every_database;

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
