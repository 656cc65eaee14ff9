//! Writing records together with associated ones, and deleting what others refer to, on every database.

use serde_json::{Value, json};
use sidehook::collection::{Change, Find};

use crate::databases::TestDatabase;
use crate::records::{Records, plain, value};
use crate::server::on_every_database;

async fn shop(database: &TestDatabase) -> Records {
    let text = |name: &str| json!({"name": name, "type": "string"});
    let orders = json!([
        text("no"),
        {"name": "area", "type": "belongsTo", "target": "areas", "foreignKey": "areaId", "targetKey": "id"},
        {"name": "lines", "type": "hasMany", "target": "lines", "foreignKey": "orderId", "sourceKey": "id",
         "targetKey": "id"},
        {"name": "note", "type": "hasOne", "target": "notes", "foreignKey": "orderId", "sourceKey": "id"},
        {"name": "tags", "type": "belongsToMany", "target": "tags", "through": "orders_tags",
         "foreignKey": "orderId", "otherKey": "tagId", "sourceKey": "id", "targetKey": "id"},
    ]);
    let payloads = [
        plain("areas", json!([text("name")])),
        plain("parts", json!([text("name")])),
        plain(
            "lines",
            json!([
                text("sku"),
                {"name": "pos", "type": "sort", "scopeKey": "orderId"},
                {"name": "parts", "type": "hasMany", "target": "parts", "foreignKey": "lineId", "sourceKey": "id",
                 "targetKey": "id"},
            ]),
        ),
        plain("notes", json!([text("body")])),
        plain("tags", json!([text("label")])),
        plain("orders", orders),
    ];
    let records = Records::create(database, &payloads).await;
    records.insert("areas", &["name"], &["'north'", "'south'"]).await;
    records.insert("tags", &["label"], &["'hot'", "'cold'"]).await;
    records
}

/// The orders with all that they are linked to, without the records between.
async fn orders(records: &Records) -> Value {
    let appends = ["area", "lines", "lines.parts", "note", "tags"].map(str::to_owned).to_vec();
    let mut found = records.find("orders", &Find { appends, ..Find::default() }).await.expect("it reads");
    for order in found.as_array_mut().expect("records") {
        for tag in order["tags"].as_array_mut().expect("tags") {
            tag.as_object_mut().expect("a tag").remove("orders_tags");
        }
    }
    found
}

fn change(filter: Value, values: Value, updated: &[&str]) -> Change {
    Change {
        filter: value(&filter),
        values: value(&values),
        update_association_values: Some(updated.iter().map(|name| (*name).to_owned()).collect()),
        ..Change::default()
    }
}

#[tokio::test]
async fn nested_values_create_link_and_leave_out() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let nested = json!({
            "no": "A",
            "area": {"name": "west"},
            "lines": [{"sku": "x", "parts": [{"name": "bolt"}, {"name": "nut"}]}, {"sku": "y"}],
            "note": {"body": "hello"},
            "tags": [1, {"label": "new"}, {"id": 2, "label": "not changed"}, 99, null],
            "unknown": {"a": 1},
        });
        let made = records.create_one("orders", nested).await.expect("it is created");
        assert_eq!(made["area"], json!({"id": 3, "name": "west"}), "{}", database.kind);
        assert_eq!(made["lines"].as_array().map(Vec::len), Some(2));
        let expected = json!([{
            "id": 1, "no": "A", "areaId": 3,
            "area": {"id": 3, "name": "west"},
            "lines": [
                {"id": 1, "sku": "x", "pos": 1, "orderId": 1,
                 "parts": [{"id": 1, "name": "bolt", "lineId": 1}, {"id": 2, "name": "nut", "lineId": 1}]},
                {"id": 2, "sku": "y", "pos": 2, "orderId": 1, "parts": []},
            ],
            "note": {"id": 1, "body": "hello", "orderId": 1},
            "tags": [{"id": 1, "label": "hot"}, {"id": 2, "label": "cold"}, {"id": 3, "label": "new"}],
        }]);
        assert_eq!(orders(&records).await, expected, "{}", database.kind);
        // A key that does not exist: written where it is plain, used for a new record where it is in an object.
        records.create_one("orders", json!({"area": 77, "tags": 1})).await.expect("it is created");
        records
            .create_one("orders", json!({"area": {"id": 50, "name": "far"}}))
            .await
            .expect("it is created");
        let all = orders(&records).await;
        assert_eq!((&all[1]["areaId"], &all[1]["area"]), (&json!(77), &Value::Null));
        assert_eq!(all[1]["tags"], json!([{"id": 1, "label": "hot"}]));
        assert_eq!(all[2]["area"], json!({"id": 50, "name": "far"}));
        let refused = records.create_one("orders", json!({"area": [1]})).await.expect_err("it is refused");
        assert_eq!(refused.message, "The value of 'area' cannot be in array format");
        assert_eq!(orders(&records).await.as_array().map(Vec::len), Some(3), "nothing of it is left");
    })
    .await;
}

#[tokio::test]
async fn updates_replace_what_is_linked() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let nested = json!({"no": "A", "area": 1, "lines": [{"sku": "x"}, {"sku": "y"}], "note": {"body": "a"},
                            "tags": [1, 2]});
        records.create_one("orders", nested).await.expect("it is created");
        records.create_one("orders", json!({"no": "B", "lines": [{"sku": "z"}]})).await.expect("it is created");
        let values = json!({"area": {"id": 2, "name": "not changed"}, "lines": [2, {"id": 3}, {"sku": "new"}],
                            "note": {"body": "b"}, "tags": [{"id": 2}]});
        assert_eq!(records.update("orders", json!({"no": "A"}), values).await, Ok(1));
        let all = orders(&records).await;
        assert_eq!(all[0]["area"], json!({"id": 2, "name": "south"}), "{}", database.kind);
        let skus: Vec<&Value> = all[0]["lines"].as_array().expect("lines").iter().map(|line| &line["sku"]).collect();
        assert_eq!(skus, ["y", "z", "new"]);
        assert_eq!(all[0]["lines"][1]["pos"], 3, "what moves to another scope goes to its end");
        assert_eq!(all[0]["tags"], json!([{"id": 2, "label": "cold"}]));
        assert_eq!(all[1]["lines"], json!([]));
        let unlinked = json!({"area": null, "lines": [], "tags": null, "note": null});
        assert_eq!(records.update("orders", json!({"no": "A"}), unlinked).await, Ok(1));
        let all = orders(&records).await;
        assert_eq!((&all[0]["areaId"], &all[0]["lines"], &all[0]["tags"]), (&Value::Null, &json!([]), &json!([])));
        assert_eq!(records.all("lines").await.as_array().map(Vec::len), Some(4), "lines are not deleted");
        assert_eq!(records.rows.number("SELECT COUNT(*) FROM orders_tags").await, 0);
    })
    .await;
}

#[tokio::test]
async fn linked_records_change_only_where_that_is_asked_for() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let nested = json!({"no": "A", "area": 1, "lines": [{"sku": "x", "parts": [{"name": "p"}]}],
                            "note": {"body": "a"}, "tags": [1]});
        records.create_one("orders", nested).await.expect("it is created");
        let values = json!({"area": {"id": 1, "name": "N"}, "note": {"id": 1, "body": "b"}, "tags": [{"id": 1, "label": "T"}],
                            "lines": [{"id": 1, "sku": "X", "parts": [{"id": 1, "name": "P"}]}]});
        assert_eq!(records.update("orders", json!({"no": "A"}), values.clone()).await, Ok(1));
        let names = async || -> Value {
            let all = orders(&records).await;
            let one = &all[0];
            json!([one["area"]["name"], one["note"]["body"], one["tags"][0]["label"], one["lines"][0]["sku"],
                   one["lines"][0]["parts"][0]["name"]])
        };
        assert_eq!(names().await, json!(["north", "a", "hot", "x", "p"]), "{}", database.kind);
        let some = change(json!({"no": "A"}), values.clone(), &["area", "lines"]);
        assert_eq!(records.update_with("orders", some).await, Ok(1));
        assert_eq!(names().await, json!(["N", "a", "hot", "X", "p"]), "{}", database.kind);
        let all = change(json!({"no": "A"}), values, &["note", "tags", "lines", "lines.parts"]);
        assert_eq!(records.update_with("orders", all).await, Ok(1));
        assert_eq!(names().await, json!(["N", "b", "T", "X", "P"]), "{}", database.kind);
    })
    .await;
}

/// Documents and tags, with a grade in the rows between them.
async fn documents(database: &TestDatabase) -> Records {
    let tags = json!({"name": "tags", "type": "belongsToMany", "target": "tags", "through": "between",
                      "foreignKey": "docId", "otherKey": "tagId", "sourceKey": "id", "targetKey": "id"});
    let mut between = plain(
        "between",
        json!([
            {"name": "docId", "type": "bigInt"}, {"name": "tagId", "type": "bigInt"},
            {"name": "grade", "type": "string"}, {"name": "marks", "type": "array"}, {"name": "pin", "type": "password"},
        ]),
    );
    between["createdAt"] = json!(true);
    between["updatedAt"] = json!(true);
    let payloads = [
        plain("tags", json!([{"name": "label", "type": "string"}])),
        between,
        plain("docs", json!([{"name": "no", "type": "string"}, tags])),
    ];
    let records = Records::create(database, &payloads).await;
    records.insert("tags", &["label"], &["'hot'", "'cold'"]).await;
    records.create_one("docs", json!({"no": "1", "tags": [1, 2]})).await.expect("it is created");
    records
}

/// The rows between, in the order of their keys.
async fn rows_between(records: &Records) -> Vec<(i64, i64, Value)> {
    let all = records.all("between").await;
    let row = |row: &Value| {
        (
            row["docId"].as_i64().unwrap_or_default(),
            row["tagId"].as_i64().unwrap_or_default(),
            row["grade"].clone(),
        )
    };
    all.as_array().expect("records").iter().map(row).collect()
}

#[tokio::test]
async fn linked_records_of_a_query_are_linked_to_another_record() {
    on_every_database(async |database| {
        let records = documents(&database).await;
        let found =
            records.found("docs", &Find { appends: vec!["tags".to_owned()], ..Find::default() }).await;
        let values = sidehook::expr::Value::object([("no", "2".into()), ("tags", found[0].member("tags"))]);
        let copy = Change { values, ..Change::default() };
        records.create_with("docs", copy.clone()).await.expect("it is created");
        let linked = [(1, 1), (1, 2), (2, 1), (2, 2)].map(|(doc, tag)| (doc, tag, Value::Null));
        assert_eq!(rows_between(&records).await, linked, "{}", database.kind);
        let again = Change {
            filter: value(&json!({"no": "2"})),
            update_association_values: Some(vec!["tags".to_owned()]),
            ..copy
        };
        assert_eq!(records.update_with("docs", again).await, Ok(1));
        assert_eq!(rows_between(&records).await, linked, "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn rows_between_records_get_the_values_that_are_given_for_them() {
    on_every_database(async |database| {
        let records = documents(&database).await;
        let given =
            json!({"grade": "E", "updatedAt": "2020-01-01T00:00:00.000Z", "marks": ["b", "a"], "unknown": 1});
        let tags = json!([{"id": 1, "between": given}, {"label": "new", "between": given}]);
        records.create_one("docs", json!({"no": "2", "tags": tags})).await.expect("it is created");
        let all = records.all("between").await;
        let (changed, made) = (&all[2], &all[3]);
        assert_eq!(
            (&changed["grade"], &changed["marks"]),
            (&json!("E"), &json!(["b", "a"])),
            "{}",
            database.kind
        );
        assert_ne!(changed["updatedAt"], given["updatedAt"], "{}", database.kind);
        assert_eq!((&made["tagId"], &made["grade"]), (&json!(3), &json!("E")), "{}", database.kind);
        assert_eq!(made["updatedAt"], given["updatedAt"], "a new row keeps the time that it is given");
        // What is empty or the same changes nothing.
        let before = records.all("between").await;
        let same =
            json!([{"id": 1, "between": {"grade": "E", "pin": ""}}, {"id": 3, "between": {"pin": null}}]);
        let update = change(json!({"no": "2"}), json!({"tags": same}), &["tags"]);
        records.clock.set(1_795_379_460_000);
        assert_eq!(records.update_with("docs", update).await, Ok(1));
        assert_eq!(records.all("between").await[3], before[3], "{}", database.kind);
        // Keys are values like any other: the link moves to whom they name.
        let moved = json!([{"id": 3, "between": {"docId": 1, "tagId": 3}}]);
        let update = change(json!({"no": "2"}), json!({"tags": moved}), &["tags"]);
        assert_eq!(records.update_with("docs", update).await, Ok(1));
        let linked: Vec<(i64, i64)> =
            rows_between(&records).await.into_iter().map(|(doc, tag, _)| (doc, tag)).collect();
        assert_eq!(linked, [(1, 1), (1, 2), (1, 3)], "{}", database.kind);
        let taken = json!([{"id": 1, "between": {"id": 1}}]);
        let refused = records.create_one("docs", json!({"no": "3", "tags": taken})).await;
        assert!(refused.is_err(), "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn keys_that_are_texts_stay_texts_in_the_result() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let made =
            records.create_one("orders", json!({"no": "A", "area": "2"})).await.expect("it is created");
        assert_eq!(made["areaId"], "2", "{}", database.kind);
        assert_eq!(orders(&records).await[0]["areaId"], 2);
        let made = records.create_one("orders", json!({"area": {"id": "2"}, "tags": ["1"]})).await;
        let made = made.expect("it is created");
        if records.rows.store.codec.backend() == sea_orm::DbBackend::Postgres {
            assert_eq!(made["areaId"], 2, "what the database gives back");
        }
        assert_eq!(made["tags"], json!([{"id": 1, "label": "hot"}]));
    })
    .await;
}

#[tokio::test]
async fn many_records_that_are_null_are_null_in_the_result() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let nothing = json!({"lines": null, "tags": null, "area": null, "note": null});
        let made = records.create_one("orders", nothing.clone()).await.expect("it is created");
        for (name, value) in nothing.as_object().expect("an object") {
            assert_eq!(made[name], *value, "{name} {}", database.kind);
        }
        let made =
            records.create_one("orders", json!({"lines": [], "tags": []})).await.expect("it is created");
        assert_eq!((&made["lines"], &made["tags"]), (&json!([]), &json!([])), "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn arrays_of_keys_link_create_and_change() {
    on_every_database(async |database| {
        let tags = json!({"name": "tags", "type": "belongsToArray", "target": "tags", "foreignKey": "tagIds",
                          "targetKey": "id"});
        let payloads = [
            plain("tags", json!([{"name": "label", "type": "string"}])),
            plain("posts", json!([{"name": "tagIds", "type": "array"}, tags])),
        ];
        let records = Records::create(&database, &payloads).await;
        records.insert("tags", &["label"], &["'hot'", "'cold'"]).await;
        let values = json!({"tags": [2, {"id": 1, "label": "warm"}, {"label": "new"}]});
        records.create_one("posts", values).await.expect("it is created");
        assert_eq!(records.all("posts").await, json!([{"id": 1, "tagIds": [1, 2, 3]}]), "{}", database.kind);
        let labels =
            json!([{"id": 1, "label": "warm"}, {"id": 2, "label": "cold"}, {"id": 3, "label": "new"}]);
        assert_eq!(records.all("tags").await, labels);
        assert_eq!(records.update("posts", json!({"id": 1}), json!({"tags": 3})).await, Ok(1));
        assert_eq!(records.all("posts").await[0]["tagIds"], json!([3]));
        assert_eq!(records.update("posts", json!({"id": 1}), json!({"tags": null})).await, Ok(1));
        assert_eq!(records.all("posts").await[0]["tagIds"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn values_are_kept_to_the_lists_of_what_may_be_written() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let create = |whitelist: Option<&[&str]>, blacklist: Option<&[&str]>| Change {
            values: value(&json!({"no": "A", "area": {"name": "west"}, "tags": [1]})),
            whitelist: whitelist.map(|list| list.iter().map(|name| (*name).to_owned()).collect()),
            blacklist: blacklist.map(|list| list.iter().map(|name| (*name).to_owned()).collect()),
            ..Change::default()
        };
        records.create_with("orders", create(Some(&["no"]), None)).await.expect("it is created");
        records.create_with("orders", create(None, Some(&["no", "area"]))).await.expect("it is created");
        let all = orders(&records).await;
        assert_eq!(
            (&all[0]["no"], &all[0]["areaId"], &all[0]["tags"]),
            (&json!("A"), &Value::Null, &json!([]))
        );
        assert_eq!((&all[1]["no"], &all[1]["areaId"]), (&Value::Null, &Value::Null), "{}", database.kind);
        assert_eq!(all[1]["tags"], json!([{"id": 1, "label": "hot"}]));
    })
    .await;
}

#[tokio::test]
async fn what_refers_to_deleted_records_follows_its_rules() {
    on_every_database(async |database| {
        let child = |name: &str, rule: Option<&str>| {
            let mut field = json!({"name": "owner", "type": "belongsTo", "target": "owners", "foreignKey": "ownerId",
                                   "targetKey": "id"});
            if let Some(rule) = rule {
                field["onDelete"] = json!(rule);
            }
            plain(name, json!([{"name": "name", "type": "string"}, field]))
        };
        let tags = json!({"name": "tags", "type": "belongsToMany", "target": "labels", "through": "owners_labels",
                          "foreignKey": "ownerId", "otherKey": "labelId", "sourceKey": "id", "targetKey": "id"});
        let payloads = [
            plain("labels", json!([{"name": "name", "type": "string"}])),
            plain("owners", json!([{"name": "name", "type": "string"}, tags])),
            child("gone", Some("CASCADE")),
            child("freed", Some("set null")),
            child("kept", Some("RESTRICT")),
            child("loose", None),
        ];
        let records = Records::create(&database, &payloads).await;
        for name in ["a", "b", "c"] {
            let owner = json!({"name": name, "tags": [{"name": name}]});
            records.create_one("owners", owner).await.expect("it is created");
        }
        for collection in ["gone", "freed", "loose"] {
            for owner in [1, 2] {
                records.create_one(collection, json!({"ownerId": owner})).await.expect("it is created");
            }
        }
        records.create_one("kept", json!({"ownerId": 2})).await.expect("it is created");
        let refused = records.destroy("owners", json!({"id": [1, 2]})).await.expect_err("it is refused");
        assert_eq!(refused.message, "RESTRICT", "{}", database.kind);
        let count = async |name: &str| records.all(name).await.as_array().map(Vec::len).unwrap_or_default();
        assert_eq!((count("owners").await, count("gone").await), (3, 2), "nothing of it is left");
        assert_eq!(records.destroy("owners", json!({"id": 1})).await, Ok(Some(1)));
        assert_eq!(count("gone").await, 1);
        let keys = async |name: &str| -> Value {
            let all = records.all(name).await;
            all.as_array().expect("records").iter().map(|one| one["ownerId"].clone()).collect()
        };
        assert_eq!(keys("freed").await, json!([null, 2]));
        assert_eq!(keys("loose").await, json!([1, 2]), "without a rule nothing happens");
        assert_eq!(records.rows.number("SELECT COUNT(*) FROM owners_labels").await, 2);
        assert_eq!(count("labels").await, 3);
        assert_eq!(records.destroy("labels", json!({"name": "c"})).await, Ok(Some(1)));
        assert_eq!(records.rows.number("SELECT COUNT(*) FROM owners_labels").await, 1);
        assert_eq!(records.destroy("owners", json!({})).await, Ok(None));
        assert_eq!(records.destroy("owners", json!({"name": "nobody"})).await, Ok(Some(0)));
    })
    .await;
}

#[tokio::test]
async fn names_and_values_are_never_taken_for_sql() {
    on_every_database(async |database| {
        let records = shop(&database).await;
        let bad = ["'; DROP TABLE areas; --", "\"; DROP TABLE areas; --", "`; DROP TABLE areas; --", "\\'; --", "$1", "?", "\u{1f600}'\""];
        for (place, text) in bad.iter().enumerate() {
            let values = json!({"no": text, (*text): text, "area": {"name": text, (*text): 1}, "tags": [{"label": text}]});
            let made = records.create_one("orders", values).await.expect("it is created");
            assert_eq!(made["no"], *text, "{}", database.kind);
            let id = json!(place + 1);
            assert_eq!(records.update("orders", json!({"no": text}), json!({"no": text, (*text): 1})).await, Ok(1));
            // A name that is no field is a column that does not exist, and no value is a key of another type.
            assert!(records.update("orders", json!({(*text): 1}), json!({"no": "x"})).await.is_err());
            assert!(records.destroy("orders", json!({(*text): 1})).await.is_err());
            let all = orders(&records).await;
            assert_eq!(all[place]["id"], id);
            assert_eq!(all[place]["area"]["name"], *text);
            assert_eq!(all[place]["tags"][0]["label"], *text);
        }
        let before = orders(&records).await;
        for key in ["1 OR 1=1", "1); DROP TABLE orders; --", "0 UNION SELECT 1"] {
            let by_key = Change { filter_by_tk: key.into(), values: value(&json!({"no": "x"})), ..Change::default() };
            // Databases differ in whether such a text is a number; none takes it for more than its first one.
            let changed = records.update_with("orders", by_key).await.unwrap_or_default();
            assert!(changed <= 1, "{key}");
        }
        assert_eq!(orders(&records).await.as_array().map(Vec::len), before.as_array().map(Vec::len));
        assert_eq!(records.all("areas").await.as_array().map(Vec::len), Some(2 + bad.len()));
    })
    .await;
}
