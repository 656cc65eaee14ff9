//! Values that a field makes by itself: identifiers, hashes, places in an order, numbers in a sequence.

use serde_json::{Value, json};
use sidehook::collection::Change;

use crate::collections;
use crate::records::{Records, plain, value};
use crate::server::on_every_database;

/// `sequences` as `plugin-field-sequence` defines it in code.
async fn create_sequences(records: &Records) {
    let q = |name: &str| collections::quoted(&records.rows, name);
    let (id, time) = match records.rows.store.codec.backend() {
        sea_orm::DbBackend::Postgres => ("bigserial PRIMARY KEY", "timestamptz"),
        sea_orm::DbBackend::MySql => ("bigint NOT NULL AUTO_INCREMENT PRIMARY KEY", "datetime(3)"),
        _ => ("INTEGER PRIMARY KEY AUTOINCREMENT", "datetime"),
    };
    let columns = [
        format!("{} {id}", q("id")),
        format!("{} {time} NOT NULL", q("createdAt")),
        format!("{} {time} NOT NULL", q("updatedAt")),
        format!("{} varchar(255)", q("collection")),
        format!("{} varchar(255)", q("field")),
        format!("{} integer", q("key")),
        format!("{} bigint", q("current")),
        format!("{} {time}", q("lastGeneratedAt")),
    ];
    records.rows.execute(&format!("CREATE TABLE {} ({})", q("sequences"), columns.join(", "))).await;
}

pub fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record[name].as_str().unwrap_or_else(|| panic!("{name} of {record} is no text"))
}

#[tokio::test]
async fn identifiers_are_made_up_when_they_are_missing() {
    on_every_database(async |database| {
        let fields = json!([
            {"name": "uid", "type": "uid", "prefix": "p_"},
            {"name": "code", "type": "uid", "pattern": "^[A-Z]+$"},
            {"name": "uuid", "type": "uuid"},
            {"name": "nano", "type": "nanoid"},
            {"name": "pin", "type": "nanoid", "size": 4, "customAlphabet": "01"},
            {"name": "off", "type": "nanoid", "autoFill": false},
            {"name": "flake", "type": "snowflakeId"},
        ]);
        let records = Records::create(&database, &[plain("things", fields)]).await;
        let made = records.create_one("things", json!({"code": "ABC"})).await.expect("it is created");
        assert!(text(&made, "uid").starts_with("p_") && text(&made, "uid").len() == 13, "{made}");
        assert_eq!(text(&made, "uuid").len(), 36);
        assert_eq!(text(&made, "uuid").as_bytes()[14], b'4');
        assert_eq!(text(&made, "nano").len(), 12);
        assert!(
            text(&made, "pin").len() == 4 && text(&made, "pin").bytes().all(|byte| b"01".contains(&byte))
        );
        assert!(made["off"].is_null());
        let flake = made["flake"].as_i64().expect("a number");
        assert_eq!((flake >> 16) & 31, 7, "the number of this instance");
        let given = json!({"uid": "mine", "code": "X", "uuid": "550e8400-e29b-41d4-a716-446655440000",
                           "nano": "n", "pin": "2", "flake": 5});
        let kept = records.create_one("things", given.clone()).await.expect("it is created");
        for (name, value) in given.as_object().expect("an object") {
            assert_eq!(kept[name], *value, "{name}");
        }
        let refused = records.create_one("things", json!({"code": "a b"})).await.expect_err("it is refused");
        assert_eq!(refused.message, "things.code can only include A-Z, a-z, 0-9, _-*$, 'a b' is invalid");
        // Of those that are empty, only a uid is made up by an update of something else.
        records.rows.execute(&format!("UPDATE {} SET nano = NULL, uid = NULL", "things")).await;
        assert_eq!(records.update("things", json!({"id": 2}), json!({"code": "Y"})).await, Ok(1));
        let all = records.all("things").await;
        assert!(all[0]["uid"].is_null() && all[0]["nano"].is_null());
        assert!(text(&all[1], "uid").starts_with("p_"));
        assert!(all[1]["nano"].is_null());
        assert_eq!(all[1]["code"], "Y");
    })
    .await;
}

#[tokio::test]
async fn passwords_are_hashed_so_that_nocobase_can_verify_them() {
    on_every_database(async |database| {
        let fields = json!([{"name": "name", "type": "string"}, {"name": "pass", "type": "password"}]);
        let records = Records::create(&database, &[plain("people", fields)]).await;
        let made = records.create_one("people", json!({"name": "a", "pass": "s3cret"})).await.expect("made");
        let hash = text(&made, "pass").to_owned();
        assert!(verifies("s3cret", &hash).await, "{hash}");
        assert_eq!(records.update("people", json!({"id": 1}), json!({"name": "b", "pass": ""})).await, Ok(1));
        assert_eq!(records.all("people").await[0]["pass"], hash.as_str(), "an empty one changes nothing");
        assert_eq!(records.update("people", json!({"id": 1}), json!({"pass": 123})).await, Ok(1));
        assert!(verifies("123", text(&records.all("people").await[0], "pass")).await);
        let bulk = Change {
            filter: value(&json!({"id": 1})),
            values: value(&json!({"pass": "bulk", "name": "c"})),
            individual_hooks: false,
            ..Change::default()
        };
        assert_eq!(records.update_with("people", bulk).await, Ok(1));
        let all = records.all("people").await;
        assert!(verifies("bulk", text(&all[0], "pass")).await);
        assert_eq!(all[0]["name"], "c");
    })
    .await;
}

/// What `PasswordField.verify` does.
pub async fn verifies(password: &'static str, hash: &str) -> bool {
    let (salt, expected) = hash.split_at(16);
    let salt = salt.to_owned();
    let hashing = tokio::task::spawn_blocking(move || {
        let mut key = [0; 24];
        let params = scrypt::Params::new(14, 8, 1).expect("the parameters of Node.js");
        scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut key).expect("a key");
        hex::encode(key)
    });
    hash.len() == 64 && hashing.await.expect("it does not panic") == expected
}

#[tokio::test]
async fn sorting_numbers_go_on_within_their_scope() {
    on_every_database(async |database| {
        let fields = json!([
            {"name": "list", "type": "string"},
            {"name": "pos", "type": "sort"},
            {"name": "place", "type": "sort", "scopeKey": "list"},
        ]);
        let records = Records::create(&database, &[plain("items", fields)]).await;
        for list in [json!("a"), json!("a"), json!("b"), json!(null)] {
            records.create_one("items", json!({"list": list})).await.expect("it is created");
        }
        records
            .create_one("items", json!({"list": "b", "pos": 40, "place": 9}))
            .await
            .expect("it is created");
        records.create_one("items", json!({"list": "b", "place": "1"})).await.expect("it is created");
        let numbers = async || -> Vec<(i64, i64)> {
            let all = records.all("items").await;
            let number = |record: &Value, name: &str| record[name].as_i64().unwrap_or_default();
            let pairs =
                all.as_array().expect("records").iter().map(|one| (number(one, "pos"), number(one, "place")));
            pairs.collect()
        };
        // Without a value the whole table is the scope.
        assert_eq!(numbers().await, [(1, 1), (2, 2), (3, 1), (4, 3), (40, 9), (41, 10)], "{}", database.kind);
        assert_eq!(records.update("items", json!({"id": 1}), json!({"list": "b"})).await, Ok(1));
        assert_eq!(records.update("items", json!({"id": 2}), json!({"list": "a"})).await, Ok(1));
        assert_eq!(numbers().await[..2], [(1, 11), (2, 2)]);
    })
    .await;
}

#[tokio::test]
async fn sequences_count_in_nocobases_table() {
    on_every_database(async |database| {
        let integer = |options: Value| json!({"type": "integer", "options": options});
        let fields = json!([
            {"name": "no", "type": "sequence", "patterns": [
                {"type": "string", "options": {"value": "A-"}},
                {"type": "date", "options": {"format": "YYYYMM"}},
                integer(json!({"key": 11, "digits": 3, "start": 5})),
                {"type": "randomChar", "options": {"length": 2, "charsets": ["uppercase"]}},
            ]},
            {"name": "hex", "type": "sequence", "patterns": [integer(json!({"key": 12, "digits": 1, "base": 16, "start": 14}))]},
            {"name": "daily", "type": "sequence", "patterns": [integer(json!({"key": 13, "cycle": "0 0 * * *"}))]},
            {"name": "own", "type": "sequence", "inputable": true, "match": true,
             "patterns": [{"type": "string", "options": {"value": "X"}}, integer(json!({"key": 14, "digits": 2}))]},
        ]);
        let records = Records::create(&database, &[plain("papers", fields)]).await;
        create_sequences(&records).await;
        let mut made = Vec::new();
        for day in [0, 0, 0, 1] {
            records.clock.set(1_795_379_400_123 + day * 86_400_000);
            made.push(records.create_one("papers", json!({})).await.expect("it is created"));
        }
        let texts = |name: &str| -> Vec<String> { made.iter().map(|one| text(one, name).to_owned()).collect() };
        for (place, no) in texts("no").iter().enumerate() {
            assert_eq!(no[..11], format!("A-20261100{}", place + 5), "{}", database.kind);
            assert!(no.len() == 13 && no[11..].bytes().all(|byte| byte.is_ascii_uppercase()), "{no}");
        }
        assert_eq!(texts("hex"), ["e", "f", "e", "f"], "after the last number comes the first");
        assert_eq!(texts("daily"), ["0", "1", "2", "0"], "each day begins anew");
        assert_eq!(texts("own"), ["X00", "X01", "X02", "X03"]);
        records.create_one("papers", json!({"own": "X41"})).await.expect("it is created");
        let next = records.create_one("papers", json!({})).await.expect("it is created");
        assert_eq!(text(&next, "own"), "X42", "a given number moves the counter on");
        let refused = records.create_one("papers", json!({"own": "Y1"})).await.expect_err("it is refused");
        assert_eq!(refused.message, "sequence pattern not match");
        assert_eq!(records.rows.number("SELECT COUNT(*) FROM sequences").await, 4);
    })
    .await;
}
