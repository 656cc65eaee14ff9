//! Reading records: associations, aggregates, and what a node gets.

use serde_json::{Value, json};
use sidehook::collection::aggregate::{Aggregate, AggregateFunction, Source};
use sidehook::collection::{Find, Sort};
use sidehook::expr;

use super::shop::{find, shop};
use crate::databases::Kind;
use crate::fixture::{node, workflow};
use crate::records::{Records, plain, value};
use crate::server::{TestServer, on_every_database};

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
