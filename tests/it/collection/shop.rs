//! A shop with orders, lines, tags and areas, which tests read.

use serde_json::{Value, json};
use sidehook::collection::Find;

use crate::databases::TestDatabase;
use crate::records::{Records, plain, value};

pub async fn shop(database: &TestDatabase) -> Records {
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

pub fn find(filter: Value, appends: &[&str]) -> Find {
    let appends = appends.iter().map(|name| (*name).to_owned()).collect();
    Find { filter: value(&filter), appends, ..Find::default() }
}
