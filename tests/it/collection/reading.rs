//! Reading records: associations, deployments with other names, what must never work, and what must be fast.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use sidehook::collection::aggregate::{Aggregate, AggregateFunction, Source};
use sidehook::collection::{Collections, Filter, Find, Sort};
use sidehook::expr;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::records::{Records, plain, value};
use crate::server::{TestServer, on_databases, on_every_database, prepare};
use crate::{collections, rows::Rows};

async fn shop(database: &TestDatabase) -> Records {
    let text = |name: &str| json!({"name": name, "type": "string"});
    let parent = json!({"name": "parent", "type": "belongsTo", "target": "areas", "foreignKey": "parentId"});
    let orders = json!([
        text("no"),
        {"name": "secret", "type": "string", "hidden": true},
        {"name": "area", "type": "belongsTo", "target": "areas", "foreignKey": "areaId"},
        {"name": "lines", "type": "hasMany", "target": "lines", "foreignKey": "orderId", "sortBy": "-sku"},
        {"name": "note", "type": "hasOne", "target": "notes", "foreignKey": "orderId"},
        {"name": "tags", "type": "belongsToMany", "target": "tags", "through": "orders_tags",
         "foreignKey": "orderId", "otherKey": "tagId"},
    ]);
    let payloads = [
        plain("areas", json!([text("name"), parent])),
        plain("lines", json!([text("sku"), {"name": "qty", "type": "integer"}])),
        plain("notes", json!([text("body")])),
        plain("tags", json!([text("label")])),
        plain("orders", orders),
    ];
    let records = Records::create(database, &payloads).await;
    records.insert("areas", &["name", "parentId"], &["'world', NULL", "'north', 1", "'fjord', 2"]).await;
    records
        .insert(
            "orders",
            &["no", "secret", "areaId"],
            &["'A', 'x', 3", "'B', 'y', 1", "'C', 'z', NULL", "'D', NULL, 99"],
        )
        .await;
    records
        .insert("lines", &["sku", "qty", "orderId"], &["'p', 1, 1", "'q', 5, 1", "'p', 7, 2", "'z', 1, NULL"])
        .await;
    records.insert("notes", &["body", "orderId"], &["'hello', 2"]).await;
    records.insert("tags", &["label"], &["'hot'", "'cold'"]).await;
    let time = "'2020-01-01 00:00:00.000'";
    let pairs = ["1, 1", "1, 2", "2, 2", "3, 77"].map(|pair| format!("{pair}, {time}, {time}"));
    let columns = ["orderId", "tagId", "createdAt", "updatedAt"];
    records.insert("orders_tags", &columns, &pairs.each_ref().map(String::as_str)).await;
    records
}

fn find(filter: Value, appends: &[&str]) -> Find {
    let appends = appends.iter().map(|name| (*name).to_owned()).collect();
    Find { filter: value(&filter), appends, ..Find::default() }
}

#[tokio::test]
async fn associations_are_appended_at_any_depth() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let all = find(json!({"id": [1, 3, 4]}), &["area.parent.parent", "lines", "note", "nosuch.x"]);
        let world = json!({"id": 1, "name": "world", "parentId": null, "parent": null});
        let north = json!({"id": 2, "name": "north", "parentId": 1, "parent": world});
        let expected = json!([
            {"id": 1, "no": "A", "areaId": 3, "note": null,
             "lines": [{"id": 2, "sku": "q", "qty": 5, "orderId": 1}, {"id": 1, "sku": "p", "qty": 1, "orderId": 1}],
             "area": {"id": 3, "name": "fjord", "parentId": 2,
                      "parent": {"id": 2, "name": "north", "parentId": 1,
                                 "parent": {"id": 1, "name": "world", "parentId": null}}}},
            {"id": 3, "no": "C", "areaId": null, "area": null, "lines": [], "note": null},
            {"id": 4, "no": "D", "areaId": 99, "area": null, "lines": [], "note": null},
        ]);
        assert_eq!(records.find("orders", &all).await.expect("it reads"), expected, "{}", database.kind);
        let up = find(json!({"name": "fjord"}), &["parent(recursively=true)"]);
        let expected = json!([{"id": 3, "name": "fjord", "parentId": 2, "parent": north}]);
        assert_eq!(records.find("areas", &up).await.expect("it reads"), expected);
        let note = find(json!({"id": 2}), &["note"]);
        let expected = json!([{"id": 2, "no": "B", "areaId": 1, "note": {"id": 1, "body": "hello", "orderId": 2}}]);
        assert_eq!(records.find("orders", &note).await.expect("it reads"), expected);
        let tags = find(json!({"id": 1}), &["tags"]);
        let found = records.find("orders", &tags).await.expect("it reads");
        assert_eq!(found[0]["tags"][1]["label"], "cold");
        assert_eq!(found[0]["tags"][1]["orders_tags"]["tagId"], 2);
        assert_eq!(found[0]["tags"][1]["orders_tags"]["createdAt"], "2020-01-01T00:00:00.000Z");
    })
    .await;
}

#[tokio::test]
async fn fields_limit_what_is_shown_but_not_what_is_needed() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let chosen =
            Find { fields: Some(vec!["no".into(), "area".into()]), ..find(json!({"id": 1}), &["lines"]) };
        let found = records.find("orders", &chosen).await.expect("it reads");
        let keys: Vec<&String> = found[0].as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["no", "lines", "area"]);
        assert_eq!(found[0]["lines"].as_array().map(Vec::len), Some(2));
        assert_eq!(found[0]["area"]["name"], "fjord");
        let single = find(json!({"id": 1}), &["area", "area.parent.name"]);
        let found = records.find("orders", &single).await.expect("it reads");
        assert_eq!(found[0]["area"]["parent"], json!({"name": "north"}));
        let except = Find { except: vec!["areaId".into()], ..find(json!({"id": 1}), &[]) };
        assert_eq!(records.find("orders", &except).await.expect("it reads"), json!([{"id": 1, "no": "A"}]));
    })
    .await;
}

#[tokio::test]
async fn filters_reach_through_associations() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let cases = [
            (json!({"area": {"name": "fjord"}}), vec![1]),
            (json!({"area.parent.parent.name": {"$eq": "world"}}), vec![1]),
            (json!({"lines": {"qty": {"$gt": 4}}}), vec![1, 2]),
            (json!({"lines.sku": "p"}), vec![1, 2]),
            (json!({"lines": {"sku": "p", "qty": 7}}), vec![2]),
            (json!({"tags.label": {"$in": ["cold"]}}), vec![1, 2]),
            (json!({"tags.label": {"$includes": "o"}}), vec![1, 2]),
            (json!({"note.body": {"$notEmpty": true}}), vec![2]),
            (json!({"lines.id": {"$notExists": true}}), vec![3, 4]),
            (json!({"tags.$exists": true}), vec![1, 2]),
            // Of a row between two tables that leads nowhere there is nothing.
            (json!({"tags.id": {"$notExists": true}}), vec![3, 4]),
            (json!({"area.$notExists": true}), vec![3, 4]),
            (json!({"$or": [{"area.name": "world"}, {"lines.qty": 5}]}), vec![1, 2]),
            (json!({"$and": [{"lines.sku": "p"}, {"area": {"name": {"$ne": "world"}}}]}), vec![1]),
        ];
        for (filter, expected) in cases {
            let found = records.ids("orders", &filter).await;
            assert_eq!(found, Ok(expected), "{filter} on {}", database.kind);
        }
        let page = Find {
            limit: Some(1),
            offset: Some(1),
            sort: vec![Sort { field: "no".into(), is_descending: true }],
            ..find(json!({"lines": {"qty": {"$gt": 0}}}), &[])
        };
        assert_eq!(records.find("orders", &page).await.expect("it reads")[0]["no"], "A");
        for (filter, message) in [
            (
                json!({"lines": {"$exists": true}}),
                "$exists neither lines's association nor lines's attribute",
            ),
            (json!({"lines": {"nosuch": 1}}), "nosuch neither lines's association nor lines's attribute"),
            (json!({"lines": 5}), "undefined neither lines's association nor lines's attribute"),
        ] {
            assert_eq!(records.ids("orders", &filter).await, Err(message.to_owned()));
        }
    })
    .await;
}

#[tokio::test]
async fn an_array_of_keys_leads_to_records() {
    on_every_database(async |database| {
        let label = json!({"name": "label", "type": "string"});
        let keys = json!([
            {"name": "tagIds", "type": "set"},
            {"name": "tags", "type": "belongsToArray", "target": "labels", "foreignKey": "tagIds", "targetKey": "id"},
        ]);
        let payloads = [plain("labels", json!([label])), plain("pages", keys)];
        let records = Records::create(&database, &payloads).await;
        records.insert("labels", &["label"], &["'a'", "'b'", "'c'"]).await;
        records.insert("pages", &["tagIds"], &["'[3,1]'", "'[2]'", "NULL", "'[]'"]).await;
        let found = records.find("pages", &find(json!({"id": [1, 3]}), &["tags"])).await.expect("it reads");
        let expected = json!([
            {"id": 1, "tagIds": [3, 1], "tags": [{"id": 3, "label": "c"}, {"id": 1, "label": "a"}]},
            {"id": 3, "tagIds": null},
        ]);
        assert_eq!(found, expected, "{}", database.kind);
        let by_label = records.ids("pages", &json!({"tags": {"label": {"$in": ["a", "b"]}}})).await;
        assert_eq!(by_label, Ok(vec![1, 2]), "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn aggregates_go_over_associations() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let schema = records.schema();
        let aggregate = |function, field: &str, filter: Value| Aggregate {
            function,
            field: field.to_owned(),
            is_distinct: false,
            filter: value(&filter),
        };
        let reader = records.reader(&schema);
        let number = |value: expr::Value| value.as_number();
        let orders = records.collection("orders");
        let count = aggregate(AggregateFunction::Count, "id", json!({"lines": {"qty": {"$gt": 0}}}));
        let counted = reader.aggregate(&orders, &count).await.expect("it counts");
        assert_eq!(number(counted), Some(2.0), "each order once, on {}", database.kind);
        let of = |association: &str, key: i32| Source {
            collection: orders.clone(),
            association: association.to_owned(),
            key: key.into(),
        };
        let sum = aggregate(AggregateFunction::Sum, "qty", json!({}));
        assert_eq!(number(reader.aggregate_of(&of("lines", 1), &sum).await.expect("it sums")), Some(6.0));
        let count = aggregate(AggregateFunction::Count, "id", json!({"label": {"$ne": "hot"}}));
        assert_eq!(number(reader.aggregate_of(&of("tags", 1), &count).await.expect("it counts")), Some(1.0));
        let missing = reader.aggregate_of(&of("tags", 9), &count).await.expect_err("there is no such order");
        assert_eq!(missing.message, "Cannot read properties of null (reading 'get')");
        let sum_of_none = aggregate(AggregateFunction::Sum, "qty", json!({"qty": 1000}));
        let lines = records.collection("lines");
        assert!(reader.aggregate(&lines, &sum_of_none).await.expect("it sums").is_nullish());
        let average = aggregate(AggregateFunction::Avg, "qty", json!({}));
        assert_eq!(number(reader.aggregate(&lines, &average).await.expect("an average")), Some(3.5));
    })
    .await;
}

/// Two collections with their metadata, as a deployment with prefix and underscores names them.
fn under_other_names(rows: &Rows, kind: Kind) -> Vec<String> {
    let q = |name: &str| {
        let name = collections::quoted(rows, name);
        rows.store.names.schema().map_or(name.clone(), |schema| format!("\"{schema}\".{name}"))
    };
    let text = if kind == Kind::Postgres { "json" } else { "text" };
    vec![
        format!("CREATE TABLE {} (key varchar(99), name varchar(99), options {text})", q("nb_collections"))
            .replace("(key", &format!("({}", collections::quoted(rows, "key"))),
        format!(
            "CREATE TABLE {} ({} varchar(99), name varchar(99), type varchar(99), interface varchar(99), collection_name varchar(99), options {text}, sort bigint)",
            q("nb_fields"),
            collections::quoted(rows, "key"),
        ),
        format!(
            "CREATE TABLE {} (id bigint PRIMARY KEY, order_no varchar(99), customer_id bigint)",
            q("nb_sales_orders")
        ),
        format!("CREATE TABLE {} (id bigint PRIMARY KEY, full_name varchar(99))", q("nb_customers")),
        format!(
            "INSERT INTO {} VALUES ('a', 'salesOrders', '{{\"createdAt\":false,\"updatedAt\":false}}'), ('b', 'customers', '{{\"timestamps\":false}}')",
            q("nb_collections")
        ),
        format!(
            "INSERT INTO {} VALUES ('a', 'orderNo', 'string', NULL, 'salesOrders', '{{}}', 1), \
             ('b', 'customer', 'belongsTo', NULL, 'salesOrders', '{{\"target\":\"customers\",\"foreignKey\":\"customerId\"}}', 2), \
             ('c', 'fullName', 'string', NULL, 'customers', '{{}}', 1)",
            q("nb_fields"),
        ),
        format!("INSERT INTO {} VALUES (1, 'A', 7), (2, 'B', NULL)", q("nb_sales_orders")),
        format!("INSERT INTO {} VALUES (7, 'Ann')", q("nb_customers")),
    ]
}

#[tokio::test]
async fn names_follow_prefix_underscores_and_schema() {
    for (kind, settings) in [
        (Kind::Postgres, &[("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true"), ("DB_SCHEMA", "nbs")][..]),
        (Kind::Mysql, &[("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true")]),
        (Kind::Sqlite, &[("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true")]),
    ] {
        let Some(database) = TestDatabase::create(kind).await else { continue };
        let rows = Rows { store: prepare(&database, settings).await };
        for statement in under_other_names(&rows, kind) {
            rows.execute(&statement).await;
        }
        let known = Collections::new(rows.store.clone(), "/");
        known.refresh().await.expect("the rows are read");
        let schema = known.schema();
        let now = "2026-11-22T20:30:00Z".parse().expect("a time");
        let reader = sidehook::collection::Reader {
            schema: &schema,
            codec: &rows.store.codec,
            db: &rows.store.db,
            now,
            files: None,
        };
        let orders = schema.get("salesOrders").expect("it is known");
        let by_name = Find {
            sort: vec![Sort { field: "orderNo".into(), is_descending: false }],
            ..find(json!({"customer.fullName": {"$includes": "A"}}), &["customer"])
        };
        let found = reader.find(orders, &by_name).await.expect("it reads");
        let found: Vec<String> =
            found.iter().map(|record| expr::json::stringify_or_null(&record.to_value())).collect();
        let expected = r#"{"id":1,"orderNo":"A","customerId":7,"customer":{"id":7,"fullName":"Ann"}}"#;
        assert_eq!(found, [expected], "{kind}");
    }
}

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

#[tokio::test]
async fn dates_are_dates_for_the_nodes_behind() {
    on_every_database(async |database| {
        let records = Records::create(&database, &[plain("due", json!([{"name": "at", "type": "date"}]))]).await;
        let zone = if database.kind == Kind::Sqlite { " +00:00" } else { "" };
        records.insert("due", &["at"], &[&format!("'2024-02-29 10:00:00.000{zone}'")]).await;
        drop(records);
        let equal = json!({"calculator": "equal", "operands": ["{{$jobsMapByNodeKey.q.at}}", "2024-02-29T11:00:00+01:00"]});
        let steps = [
            node("q", "query", json!({"collection": "due", "params": {"filter": {"id": 1}}})),
            node("c", "condition", json!({"engine": "basic", "calculation": {"group": {"type": "and", "calculations": [equal]}}})),
            node("n", "aggregate", json!({"collection": "due", "aggregator": "count", "params": {"field": "id"}})),
            node("a", "response", json!({"body": ["{{$jobsMapByNodeKey.q.at}}", "{{$jobsMapByNodeKey.c}}", "{{$jobsMapByNodeKey.n}}"]})),
        ];
        let server = TestServer::start(&database).await;
        server.add(&workflow("k", true, &json!({}), &steps)).await;
        let answer: Value = server.post("k", &json!({})).await.json().await.expect("JSON");
        assert_eq!(answer, json!(["2024-02-29T10:00:00.000Z", true, 1]), "{}", database.kind);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_query_in_a_transaction_sees_what_that_has_written() {
    on_every_database(async |database| {
        let records =
            Records::create(&database, &[plain("notes", json!([{"name": "body", "type": "string"}]))]).await;
        drop(records);
        let branch = vec![
            node("w", "sql", json!({"sql": "insert into notes (body) values ('new')"})),
            node("q", "query", json!({"collection": "notes", "multiple": true})),
            node(
                "n",
                "aggregate",
                json!({"collection": "notes", "aggregator": "count", "params": {"field": "id"}}),
            ),
            node("f", "query", json!({"collection": "nosuch"})),
        ];
        let steps = [
            node("t", "transaction", json!({"continue": true})).branch(1, branch),
            node(
                "a",
                "response",
                json!({"body": ["{{$jobsMapByNodeKey.q.body}}", "{{$jobsMapByNodeKey.n}}"]}),
            ),
        ];
        let server = TestServer::start(&database).await;
        server.add(&workflow("k", true, &json!({}), &steps)).await;
        let answer: Value = server.post("k", &json!({})).await.json().await.expect("JSON");
        assert_eq!(answer, json!([["new"], 1]), "{}", database.kind);
        assert_eq!(
            server.number("select count(*) from notes").await,
            0,
            "it was taken back: {}",
            database.kind
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_collection_of_another_data_source_is_refused_by_name() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    server.execute("CREATE TABLE \"dataSources\" (\"key\" varchar(99))").await;
    server.execute("INSERT INTO \"dataSources\" VALUES ('erp')").await;
    let steps = [node("q", "query", json!({"collection": "erp:orders"}))];
    let hook = workflow("k", true, &json!({}), &steps);
    server.add(&hook).await;
    server.post("k", &json!({})).await;
    let executions = server.executions(hook.id).await;
    let jobs = server.jobs(executions[0]["id"].as_i64().expect("an id")).await;
    assert_eq!(jobs[0]["status"], -2);
    let message = jobs[0]["result"]["message"].as_str().expect("a message");
    assert!(message.contains("\"erp\""), "{message}");
    server.stop().await;
}
