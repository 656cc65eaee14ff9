//! Records that do not lie in a table of their own name: those of SQL collections and of collections that inherit, and
//! files, whose addresses are made when they are read.

use serde_json::{Value, json};
use sidehook::collection::Find;
use sidehook::collection::Sort;
use sidehook::collection::aggregate::{Aggregate, AggregateFunction};
use sidehook::expr;

use crate::databases::{Kind, TestDatabase};
use crate::records::{Records, plain, value};
use crate::server::{on_databases, on_every_database};

fn find(filter: Value, fields: Option<&[&str]>, appends: &[&str]) -> Find {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    Find { filter: value(&filter), fields: fields.map(texts), appends: texts(appends), ..Find::default() }
}

#[tokio::test]
async fn an_sql_collection_is_read_from_its_text() {
    on_every_database(async |database| {
        let wares =
            plain("wares", json!([{"name": "sku", "type": "string"}, {"name": "qty", "type": "integer"}]));
        let stock = json!({
            "name": "stock", "template": "sql",
            "sql": " select l.id, l.sku, l.qty, 'x' as hidden_one from wares l where l.qty > 0; ",
            "fields": [
                {"name": "id", "type": "bigInt", "primaryKey": true},
                {"name": "sku", "type": "string"},
                {"name": "qty", "type": "integer"},
            ],
        });
        let records = Records::create(&database, &[wares, stock]).await;
        let rows = ["'a', 5", "'b', 0", "'c', 3", "'d', 2"];
        records.insert("wares", &["sku", "qty"], &rows).await;
        let by_qty = Sort { field: "qty".into(), is_descending: true };
        let page = Find { sort: vec![by_qty], limit: Some(2), offset: Some(1), ..Find::default() };
        let found = records.find("stock", &page).await.expect("it reads");
        let expected = json!([{"id": 3, "sku": "c", "qty": 3}, {"id": 4, "sku": "d", "qty": 2}]);
        assert_eq!(found, expected, "{}", database.kind);
        let some = find(json!({"sku": {"$in": ["a", "b"]}}), Some(&["sku", "nosuch"]), &[]);
        assert_eq!(records.find("stock", &some).await, Ok(json!([{"sku": "a"}])), "{}", database.kind);
        let schema = records.schema();
        let sum = Aggregate {
            function: AggregateFunction::Sum,
            field: "qty".into(),
            is_distinct: false,
            filter: expr::Value::Undefined,
        };
        let total = records.reader(&schema).aggregate(&records.collection("stock"), &sum).await;
        assert_eq!(total.expect("a sum").as_number(), Some(10.0), "{}", database.kind);
        let count = Aggregate {
            function: AggregateFunction::Count,
            field: "id".into(),
            filter: value(&json!({"qty": {"$lt": 5}})),
            ..sum
        };
        let count = records.reader(&schema).aggregate(&records.collection("stock"), &count).await;
        assert_eq!(count.expect("a count").as_number(), Some(2.0), "{}", database.kind);
        assert!(records.create_one("stock", json!({"sku": "z"})).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn records_read_through_a_parent_say_where_they_are_from() {
    on_databases(&[Kind::Postgres], async |database| {
        let name = json!({"name": "name", "type": "string"});
        let mut student = plain("students", json!([{"name": "grade", "type": "integer"}]));
        student["inherits"] = json!(["people"]);
        student["fields"] = json!([{"name": "grade", "type": "integer"}]);
        let owner = json!({"name": "owner", "type": "belongsTo", "target": "people", "foreignKey": "ownerId"});
        let payloads = [plain("people", json!([name])), student, plain("pets", json!([owner]))];
        let records = Records::create(&database, &payloads).await;
        records.insert("people", &["name"], &["'Ann'"]).await;
        records.insert("students", &["name", "grade"], &["'Ben', 3"]).await;
        records.insert("pets", &["ownerId"], &["2"]).await;
        let origin = |collection: &str| json!({"__tableName": collection, "__schemaName": "public", "__collection": collection});
        let with = |mut record: Value, collection: &str| {
            record.as_object_mut().expect("an object").extend(origin(collection).as_object().expect("an object").clone());
            record
        };
        let all = records.find("people", &Find::default()).await;
        let expected = json!([
            with(json!({"id": 1, "name": "Ann"}), "people"),
            with(json!({"id": 2, "name": "Ben"}), "students"),
        ]);
        assert_eq!(all, Ok(expected));
        let some = records.find("people", &find(json!({"name": "Ben"}), Some(&["name"]), &[])).await;
        assert_eq!(some, Ok(json!([with(json!({"name": "Ben"}), "students")])));
        let pets = records.find("pets", &find(json!({}), None, &["owner"])).await;
        let owner = with(json!({"id": 2, "name": "Ben"}), "students");
        assert_eq!(pets, Ok(json!([{"id": 1, "ownerId": 2, "owner": owner}])));
        let own = records.find("students", &Find::default()).await;
        assert_eq!(own, Ok(json!([{"id": 2, "name": "Ben", "grade": 3}])));
    })
    .await;
}

/// Files in a local storage, in one that uses its own addresses, and in none; the first is that of a document.
async fn files(database: &TestDatabase) -> Records {
    let text = |name: &str| json!({"name": name, "type": "text"});
    let mut payload = plain(
        "files",
        json!([text("filename"), text("extname"), text("mimetype"), text("path"), text("url"),
               {"name": "storageId", "type": "bigInt"}]),
    );
    payload["template"] = json!("file");
    let link = json!({"name": "file", "type": "belongsTo", "target": "files", "foreignKey": "fileId"});
    let links = json!({"name": "files", "type": "belongsToMany", "target": "files", "through": "docFiles",
        "foreignKey": "docId", "otherKey": "fileKey"});
    let records = Records::create(database, &[payload, plain("docs", json!([link, links]))]).await;
    records
        .insert(
            "storages",
            &["type", "baseUrl", "options"],
            &[
                "'local', '/storage/uploads', '{}'",
                r#"'s3', 'https://cdn.example', '{"useOriginalUrl":true,"thumbnailRule":"?w=9"}'"#,
            ],
        )
        .await;
    let columns = ["filename", "extname", "mimetype", "url", "storageId"];
    records
        .insert(
            "files",
            &columns,
            &[
                "'a.pdf', '.pdf', 'application/pdf', NULL, 1",
                "'b.png', '.png', 'image/png', NULL, 2",
                "'c.txt', '.txt', 'text/plain', 'https://h.example/c d.txt', NULL",
            ],
        )
        .await;
    records.insert("docs", &["fileId"], &["1"]).await;
    records
}

#[tokio::test]
async fn files_have_the_addresses_of_the_file_manager() {
    on_every_database(async |database| {
        let records = files(&database).await;
        let kind = database.kind;
        let found = records.find("files", &Find::default()).await.expect("it reads");
        let addresses =
            |record: &Value| [&record["url"], &record["preview"], &record["local"]].map(Clone::clone);
        let expected = [
            [
                json!("/files/main/main/files/1.pdf"),
                json!("/files/main/main/files/1.pdf?preview=1"),
                json!(true),
            ],
            [json!("https://cdn.example/b.png"), json!("https://cdn.example/b.png?w=9"), json!(false)],
            [json!("https://h.example/c%20d.txt"), json!("https://h.example/c%20d.txt"), Value::Null],
        ];
        for (record, expected) in found.as_array().expect("records").iter().zip(expected) {
            assert_eq!(addresses(record), expected, "{kind}");
        }
        let made =
            records.create_one("files", json!({"extname": ".gif", "storageId": 1})).await.expect("a file");
        let url = "/files/main/main/files/4.gif";
        assert_eq!(addresses(&made), [json!(url), json!(format!("{url}?preview=1")), json!(true)], "{kind}");
        let docs = records.find("docs", &find(json!({}), None, &["file"])).await.expect("it reads");
        let file = &docs[0]["file"];
        assert_eq!(
            addresses(file),
            [
                json!("/files/main/main/files/1.pdf"),
                json!("/files/main/main/files/1.pdf?preview=1"),
                Value::Null
            ],
            "{kind}"
        );
        let some = records.find("files", &find(json!({"id": 1}), Some(&["id", "url"]), &[])).await;
        assert_eq!(some, Ok(json!([{"id": 1, "url": null, "preview": null}])), "{kind}");
        let some = records.find("files", &find(json!({"id": 1}), Some(&["id", "filename"]), &[])).await;
        assert_eq!(some, Ok(json!([{"id": 1, "filename": "a.pdf", "url": null}])), "{kind}");
    })
    .await;
}

/// Recorded from a NocoBase 2.2.15, as is what the next test expects.
#[tokio::test]
async fn a_change_of_a_file_keeps_its_extension_and_its_addresses() {
    on_every_database(async |database| {
        let kind = database.kind;
        let text = |name: &str| json!({"name": name, "type": "text"});
        let mut payload = plain(
            "scans",
            json!([text("title"), text("extname"), text("url"), {"name": "storageId", "type": "bigInt"},
                   {"name": "preview", "type": "text", "field": "url"}]),
        );
        payload["template"] = json!("file");
        let records = Records::create(&database, &[payload]).await;
        records.insert("storages", &["type", "options"], &["'local', '{}'"]).await;
        records.insert("scans", &["extname", "url", "storageId"], &["'.txt', NULL, 1"]).await;
        let url = "/files/main/main/scans/1.txt";
        let steps = [
            (json!({"title": "new"}), Value::Null),
            (json!({"url": "http://given/x.png", "extname": ".zip"}), json!(url)),
            (json!({"preview": "http://given/p.png"}), json!("http://given/p.png")),
            (
                json!({"url": "http://given/x", "preview": "http://given/p"}),
                json!(format!("{url}?preview=1")),
            ),
        ];
        for (values, expected) in steps {
            records.update("scans", json!({"id": 1}), values.clone()).await.expect("it writes");
            let stored = records.rows.query("SELECT extname, url FROM scans").await;
            let column = |at| stored[0].try_get_by_index::<Option<String>>(at).expect("a text");
            let expected = expected.as_str().map(str::to_owned);
            assert_eq!((column(0).as_deref(), column(1)), (Some(".txt"), expected), "{kind}: {values}");
        }
    })
    .await;
}

#[tokio::test]
async fn files_that_a_new_record_is_linked_with_have_their_addresses() {
    on_every_database(async |database| {
        let records = files(&database).await;
        let kind = database.kind;
        let file = "/files/main/main/files/1.pdf";
        let made = records.create_one("docs", json!({"files": [1]})).await.expect("a document");
        let linked = &made["files"][0];
        assert_eq!(linked["url"], json!(file), "{kind}: {made}");
        assert_eq!(linked["preview"], json!(format!("{file}?preview=1")), "{kind}");
        assert!(linked.get("local").is_none(), "{kind}: {made}");
        let made = records.create_one("docs", json!({"files": [{"id": 1}]})).await.expect("a document");
        assert_eq!(made["files"], json!([{"id": 1}]), "{kind}");
        let made =
            records.create_one("docs", json!({"file": {"url": "http://q/q"}})).await.expect("a document");
        assert_eq!(made["file"]["preview"], json!("http://q/q"), "{kind}: {made}");
    })
    .await;
}
