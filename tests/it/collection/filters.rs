//! Filters as a whole: what must never work, what must be fast, and generated ones beside a plain evaluation.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use sidehook::collection::aggregate::{Aggregate, AggregateFunction};
use sidehook::collection::{Filter, Find, Sort};
use sidehook::expr;

use super::shop::{find, shop};
use crate::databases::Kind;
use crate::records::{Records, plain, value};
use crate::server::{on_databases, on_every_database};

#[tokio::test]
async fn nothing_in_a_filter_is_read_as_sql() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let evil = [
            "x'; DROP TABLE orders; --",
            "x\"; DROP TABLE orders; --",
            "x`; DROP TABLE orders; --",
            "1 OR 1=1",
            "\\'; --",
            "x\") OR (\"1\"=\"1",
        ];
        for text in evil {
            // Values are compared with, and found nowhere.
            for operator in ["$eq", "$includes", "$startsWith", "$like", "$in", "$anyOf"] {
                let field = if operator == "$anyOf" { continue } else { "no" };
                let found = records.ids("orders", &json!({field: {operator: text}})).await;
                assert_eq!(found, Ok(vec![]), "{operator} {text} on {}", database.kind);
            }
            // Names that do not exist are errors of the database, or of the filter.
            for filter in
                [json!({text: 1}), json!({"area": {text: 1}}), json!({"$and": [{text: {"$gt": 1}}]})]
            {
                records.ids("orders", &filter).await.expect_err(text);
            }
            let sorted = Find {
                sort: vec![Sort { field: text.to_owned(), is_descending: false }],
                ..find(json!({}), &[])
            };
            records.find("orders", &sorted).await.expect_err(text);
            let chosen = Find { fields: Some(vec![text.to_owned()]), ..find(json!({}), &[]) };
            // SQLite takes an unknown name in double quotes for a text, as it does for NocoBase.
            if let Ok(found) = records.find("orders", &chosen).await {
                assert_eq!(database.kind, Kind::Sqlite, "{text} gives {found}");
            }
            let schema = records.schema();
            let aggregate = Aggregate {
                function: AggregateFunction::Max,
                field: text.to_owned(),
                is_distinct: true,
                filter: expr::Value::Undefined,
            };
            let orders = records.collection("orders");
            if let Ok(found) = records.reader(&schema).aggregate(&orders, &aggregate).await {
                assert_eq!(database.kind, Kind::Sqlite, "{text} gives {found:?}");
            }
        }
        assert_eq!(
            records.ids("orders", &json!({})).await,
            Ok(vec![1, 2, 3, 4]),
            "everything is still there"
        );
    })
    .await;
}

#[tokio::test]
async fn an_index_answers_a_filter_on_a_million_rows() {
    on_databases(&[Kind::Postgres], async |database| {
        let fields = json!([{"name": "code", "type": "string"}, {"name": "n", "type": "integer"}, {"name": "at", "type": "date"}]);
        let records = Records::create(&database, &[plain("big", fields)]).await;
        let rows = &records.rows;
        rows.execute(
            "INSERT INTO big (code, n, at) SELECT 'c' || i, i, timestamptz '2020-01-01Z' + i * interval '1 minute' \
             FROM generate_series(1, 1000000) i",
        )
        .await;
        for column in ["code", "n", "at"] {
            rows.execute(&format!("CREATE INDEX ON big ({column})")).await;
        }
        rows.execute("ANALYZE big").await;
        for filter in [
            json!({"code": {"$eq": "c77"}}),
            json!({"n": 77}),
            json!({"n": {"$eq": "77"}}),
            json!({"n": {"$in": [77, 78]}}),
            json!({"at": {"$dateOn": "2020-02-02"}}),
            json!({"$and": [{"at": {"$gt": "2021-11-20T00:00:00Z"}}, {"at": {"$lt": "2021-11-20T01:00:00Z"}}]}),
        ] {
            let plan = plan(&records, &filter).await;
            assert!(plan.contains("Index") && !plan.contains("Seq Scan"), "{filter}:\n{plan}");
        }
        assert_eq!(records.ids("big", &json!({"code": "c77"})).await, Ok(vec![77]));
    })
    .await;
}

/// How PostgreSQL would run a filter, with its values bound.
async fn plan(records: &Records, filter: &Value) -> String {
    let schema = records.schema();
    let collection = records.collection("big");
    let store = &records.rows.store;
    let cx = sidehook::collection::filter::Context {
        schema: &schema,
        collection: &collection,
        codec: &store.codec,
        now: "2026-11-22T20:30:00Z".parse().expect("a time"),
    };
    let filter = Filter::parse(&value(filter), cx).expect("a filter");
    let mut select = sea_orm::sea_query::Query::select();
    select.expr(sea_orm::sea_query::Expr::cust("*")).from_as(collection.table.table_ref(), "big");
    select.and_where(filter.condition.expect("a condition"));
    let built = DbBackend::Postgres.build(&select);
    let explain = Statement { sql: format!("EXPLAIN {}", built.sql), ..built };
    let rows = store.db.query_all_raw(explain).await.expect("a plan");
    rows.iter().map(|row| row.try_get_by_index::<String>(0).expect("a text") + "\n").collect()
}

/// A record of the generated collection.
#[derive(Clone, Debug)]
struct Item {
    s: Option<String>,
    i: Option<i32>,
    b: Option<bool>,
}

fn item() -> impl Strategy<Value = Item> {
    (proptest::option::of("[a-c]{0,3}"), proptest::option::of(-3..4_i32), proptest::option::of(any::<bool>()))
        .prop_map(|(s, i, b)| Item { s, i, b })
}

fn leaf() -> impl Strategy<Value = Value> {
    let number = -3..4_i32;
    let text = "[a-c]{1,2}";
    prop_oneof![
        (proptest::sample::select(vec!["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), number.clone())
            .prop_map(|(op, n)| json!({"i": {op: n}})),
        (proptest::sample::select(vec!["$in", "$notIn"]), proptest::collection::vec(number, 1..3))
            .prop_map(|(op, list)| json!({"i": {op: list}})),
        (
            proptest::sample::select(vec![
                "$eq",
                "$ne",
                "$includes",
                "$notIncludes",
                "$startsWith",
                "$notStartsWith",
                "$endWith",
                "$notEndWith"
            ]),
            text
        )
            .prop_map(|(op, text)| json!({"s": {op: text}})),
        (proptest::sample::select(vec!["s", "i"]), proptest::sample::select(vec!["$empty", "$notEmpty"]))
            .prop_map(|(field, op)| json!({field: {op: true}})),
        (proptest::sample::select(vec!["$isTruly", "$isFalsy"]), any::<bool>())
            .prop_map(|(op, flag)| json!({"b": {op: flag}})),
        Just(json!({"s": null})),
    ]
}

fn filter() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({"$and": all})),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|any| json!({"$or": any})),
            inner.prop_map(|one| json!({"$not": one})),
        ]
    })
}

/// One member with this value decides; without one, an unknown member leaves all unknown.
fn decided(members: impl Iterator<Item = Option<bool>>, value: bool) -> Option<bool> {
    let members: Vec<_> = members.collect();
    match members.contains(&Some(value)) {
        true => Some(value),
        false if members.contains(&None) => None,
        false => Some(!value),
    }
}

/// SQL's three values: `None` is unknown.
fn holds(item: &Item, filter: &Value) -> Option<bool> {
    let (key, inner) = filter.as_object().and_then(|object| object.iter().next()).expect("one member");
    let members = || inner.as_array().expect("a list").iter().map(|one| holds(item, one));
    match key.as_str() {
        "$and" => decided(members(), false),
        "$or" => decided(members(), true),
        "$not" => holds(item, inner).map(|holds| !holds),
        field => {
            let Some((op, operand)) = inner.as_object().and_then(|object| object.iter().next()) else {
                return Some(item.s.is_none());
            };
            compare(item, field, op, operand)
        }
    }
}

fn compare(item: &Item, field: &str, op: &str, operand: &Value) -> Option<bool> {
    let is_null = match field {
        "s" => item.s.is_none(),
        "i" => item.i.is_none(),
        _ => item.b.is_none(),
    };
    match op {
        "$empty" => return Some(is_null || item.s.as_deref().is_some_and(|s| field == "s" && s.is_empty())),
        "$notEmpty" => return compare(item, field, "$empty", operand).map(|is_empty| !is_empty),
        "$isTruly" | "$isFalsy" => {
            let wants = (op == "$isTruly") == operand.as_bool().expect("a flag");
            return if wants { item.b } else { Some(item.b != Some(true)) };
        }
        "$ne" | "$notIn" if is_null => return Some(true),
        _ if is_null => return None,
        _ => {}
    }
    if field == "s" {
        let (s, text) = (item.s.as_deref().unwrap_or_default(), operand.as_str().expect("a text"));
        return Some(match op {
            "$eq" => s == text,
            "$ne" => s != text,
            "$includes" => s.contains(text),
            "$notIncludes" => !s.contains(text),
            "$startsWith" => s.starts_with(text),
            "$notStartsWith" => !s.starts_with(text),
            "$endWith" => s.ends_with(text),
            _ => !s.ends_with(text),
        });
    }
    let i = i64::from(item.i.unwrap_or_default());
    let n = operand.as_i64().unwrap_or_default();
    let listed = || operand.as_array().expect("a list").iter().any(|one| one.as_i64() == Some(i));
    Some(match op {
        "$eq" => i == n,
        "$ne" => i != n,
        "$gt" => i > n,
        "$gte" => i >= n,
        "$lt" => i < n,
        "$lte" => i <= n,
        "$in" => listed(),
        _ => !listed(),
    })
}

#[tokio::test]
async fn generated_filters_agree_with_a_plain_evaluation() {
    const ROUNDS: usize = 200;
    // Any name will do for a field, key words included.
    const NAMES: [&str; 6] = ["order", "Select", "group by", "s", "naïve", "createdAt"];
    on_every_database(async |database| {
        let mut runner = TestRunner::default();
        let mut names = Just(NAMES.to_vec()).prop_shuffle().new_tree(&mut runner).expect("names").current();
        names.truncate(3);
        let types = ["string", "integer", "boolean"];
        let fields: Vec<Value> =
            names.iter().zip(types).map(|(name, kind)| json!({"name": name, "type": kind})).collect();
        let records = Records::create(&database, &[plain("items", json!(fields))]).await;
        let items = proptest::collection::vec(item(), 40).new_tree(&mut runner).expect("items").current();
        let sql = |item: &Item| {
            let text = item.s.as_ref().map_or("NULL".to_owned(), |s| format!("'{s}'"));
            let number = item.i.map_or("NULL".to_owned(), |i| i.to_string());
            let flag = item.b.map_or("NULL".to_owned(), |b| b.to_string());
            format!("{text}, {number}, {flag}")
        };
        let rows: Vec<String> = items.iter().map(sql).collect();
        records.insert("items", &names, &rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for _ in 0..ROUNDS {
            let filter = filter().new_tree(&mut runner).expect("a filter").current();
            let numbered = items.iter().zip(1_i64..);
            let expected: Vec<i64> =
                numbered.filter(|(item, _)| holds(item, &filter) == Some(true)).map(|(_, id)| id).collect();
            let named = ["s", "i", "b"].iter().zip(&names).fold(filter.to_string(), |text, (short, name)| {
                text.replace(&format!("\"{short}\":"), &format!("\"\u{1}{name}\":"))
            });
            let named: Value = serde_json::from_str(&named.replace('\u{1}', "")).expect("JSON");
            let found = records.ids("items", &named).await;
            assert_eq!(found, Ok(expected), "{named} on {}, {items:?}", database.kind);
        }
    })
    .await;
}
