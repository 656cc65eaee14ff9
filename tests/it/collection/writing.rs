//! Writing records: what fields make of values, on every database.

use serde_json::{Value, json};
use sidehook::collection::Change;

use super::making_up::{text, verifies};
use crate::collections;
use crate::databases::Kind;
use crate::records::{Records, plain, value};
use crate::server::on_every_database;

#[tokio::test]
async fn texts_are_trimmed_turned_and_emptied_by_their_options() {
    on_every_database(async |database| {
        let fields = json!([
            {"name": "plain", "type": "string"},
            {"name": "trimmed", "type": "string", "trim": true},
            {"name": "sole", "type": "string", "unique": true},
            {"name": "long", "type": "text", "trim": true},
            {"name": "state", "type": "string", "defaultValue": "new"},
        ]);
        let records = Records::create(&database, &[plain("texts", fields)]).await;
        let rows = [
            json!({"plain": " a ", "trimmed": "\u{a0} a \n", "sole": "", "long": " é😀 "}),
            json!({"plain": 12.5, "trimmed": true, "sole": "", "long": [1, [2]], "state": null}),
            json!({"plain": {"a": 1}, "trimmed": null, "state": ""}),
        ];
        for row in rows {
            records.create_one("texts", row).await.expect("it is created");
        }
        let expected = json!([
            {"id": 1, "plain": " a ", "trimmed": "a", "sole": null, "long": "é😀", "state": "new"},
            {"id": 2, "plain": "12.5", "trimmed": "true", "sole": null, "long": "1,2", "state": null},
            {"id": 3, "plain": "[object Object]", "trimmed": null, "sole": null, "long": null, "state": ""},
        ]);
        assert_eq!(records.all("texts").await, expected, "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn numbers_booleans_and_json_arrive_as_they_are_meant() {
    on_every_database(async |database| {
        let fields = json!([
            {"name": "i", "type": "integer"}, {"name": "b", "type": "bigInt"}, {"name": "d", "type": "double"},
            {"name": "n", "type": "decimal", "precision": 10, "scale": 2}, {"name": "f", "type": "boolean"},
            {"name": "j", "type": "json"}, {"name": "a", "type": "array"}, {"name": "s", "type": "set"},
        ]);
        let records = Records::create(&database, &[plain("values", fields)]).await;
        let given = json!({"i": "7", "b": 9_007_199_254_740_991_i64, "d": "-1.5e3", "n": 12.25, "f": 1,
                           "j": {"b": [1, null, "x"], "a": {}}, "a": [10, 9, "b", "a"], "s": ["b", "a", "b"]});
        records.create_one("values", given).await.expect("it is created");
        let texts = json!({"f": "false", "j": "text", "a": "[3,2]", "d": 0.1, "s": []});
        records.create_one("values", texts).await.expect("it is created");
        let all = records.all("values").await;
        let decimal = if database.kind == Kind::Sqlite { json!(12.25) } else { json!("12.25") };
        let first = json!({"id": 1, "i": 7, "b": 9_007_199_254_740_991_i64, "d": -1500, "n": decimal, "f": true,
                           "j": {"b": [1, null, "x"], "a": {}}, "a": [10, 9, "a", "b"], "s": ["a", "b"]});
        assert_eq!(all[0], first, "{}", database.kind);
        let second = json!({"id": 2, "i": null, "b": null, "d": 0.1, "n": null, "f": false, "j": "text",
                            "a": [2, 3], "s": []});
        assert_eq!(all[1], second, "{}", database.kind);
        let refused = records.create_one("values", json!({"a": {"x": 1}})).await.expect_err("it is refused");
        assert_eq!(refused.message, "oldValue.sort is not a function");
        // An array that is not changed stays as it is, whatever its order.
        let q = |name: &str| collections::quoted(&records.rows, name);
        let sql = format!("UPDATE {} SET a = '[2,1]', s = '[1,1]'", q("values"));
        records.rows.execute(&sql).await;
        assert_eq!(records.update("values", json!({"id": 1}), json!({"i": 8})).await, Ok(1));
        let all = records.all("values").await;
        assert_eq!((&all[0]["a"], &all[0]["s"]), (&json!([2, 1]), &json!([1])));
    })
    .await;
}

#[tokio::test]
async fn a_list_that_is_written_is_sorted_for_whoever_holds_it() {
    on_every_database(async |database| {
        let fields = json!([{"name": "tags", "type": "array"}, {"name": "once", "type": "set"},
                            {"name": "raw", "type": "json"}, {"name": "copy", "type": "json"}]);
        let records = Records::create(&database, &[plain("lists", fields)]).await;
        let (tags, once) = (value(&json!(["vip", 10, 9, "gift", null])), value(&json!(["b", "a", "b"])));
        let values = sidehook::expr::Value::object([
            ("raw", tags.clone()),
            ("tags", tags.clone()),
            ("once", once.clone()),
            ("copy", once.clone()),
        ]);
        records.create_with("lists", Change { values, ..Change::default() }).await.expect("it is created");
        let text = |value: &sidehook::expr::Value| sidehook::expr::json::stringify_or_null(value);
        let sorted = json!([10, 9, "gift", null, "vip"]);
        assert_eq!(text(&tags), sorted.to_string(), "{}", database.kind);
        assert_eq!(text(&once), r#"["a","b","b"]"#, "its own list has each once, the source is only sorted");
        let row =
            json!([{"id": 1, "tags": sorted, "once": ["a", "b"], "raw": sorted, "copy": ["a", "b", "b"]}]);
        assert_eq!(records.all("lists").await, row, "{}", database.kind);
        let texts = [
            ("plain", r#"Unexpected token 'p', "plain" is not valid JSON"#),
            ("[1", "Expected ',' or ']' after array element in JSON at position 2"),
        ];
        for (text, message) in texts {
            let refused =
                records.create_one("lists", json!({"tags": text})).await.expect_err("it is refused");
            assert_eq!(refused.message, message);
        }
    })
    .await;
}

#[tokio::test]
async fn what_fields_change_on_the_way_is_written_once() {
    on_every_database(async |database| {
        let fields = json!([
            {"name": "i", "type": "integer"}, {"name": "pw", "type": "password"}, {"name": "grp", "type": "string"},
            {"name": "pos", "type": "sort", "scopeKey": "grp"}, {"name": "st", "type": "set"},
            {"name": "tags", "type": "array"}, {"name": "upd", "type": "date", "onUpdateToCurrentTime": true},
        ]);
        let payload = json!({"name": "changed", "fields": fields});
        let records = Records::create(&database, &[payload]).await;
        let made = json!({"grp": "A", "pw": "first"});
        records.create_one("changed", made).await.expect("it is created");
        let hash = records.all("changed").await[0]["pw"].clone();
        let updates = [
            json!({"pw": "", "i": 1}), json!({"i": 2, "pw": null}), json!({"grp": "B", "pos": 5, "i": 3}),
            json!({"pos": 9, "grp": "A", "i": 4}), json!({"st": ["b", "a", "b"], "i": 5}),
            json!({"i": 6, "tags": ["z", "a"]}), json!({"upd": "2020-01-01T00:00:00Z", "i": 7}),
            json!({"i": 8, "upd": null, "updatedAt": "2020-01-01T00:00:00Z", "tags": "[2,1]", "pos": 7}),
        ];
        for values in updates {
            let i = values["i"].clone();
            assert_eq!(records.update("changed", json!({"id": 1}), values).await, Ok(1), "{i} {}", database.kind);
            assert_eq!(records.all("changed").await[0]["i"], i);
        }
        let all = records.all("changed").await;
        let one = &all[0];
        assert_eq!(one["pw"], hash, "an empty password is none");
        assert_eq!((&one["grp"], &one["pos"]), (&json!("A"), &json!(7)), "{}", database.kind);
        assert_eq!((&one["st"], &one["tags"]), (&json!(["a", "b"]), &json!([1, 2])), "{}", database.kind);
        assert_eq!(one["upd"], "2026-11-22T20:30:00.123Z", "{}", database.kind);
        assert_eq!(records.update("changed", json!({"id": 1}), json!({"pw": "b", "i": 9})).await, Ok(1));
        assert!(verifies("b", text(&records.all("changed").await[0], "pw")).await, "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_number_is_kept_as_none_in_columns_of_doubles() {
    on_every_database(async |database| {
        let fields = json!([{"name": "d", "type": "double"}, {"name": "f", "type": "float"}]);
        let records = Records::create(&database, &[plain("numbers", fields)]).await;
        let odd = [json!("1,5"), json!("50%"), json!("abc"), json!({"a": 1}), json!([1, 2])];
        for value in &odd {
            let made = records.create_one("numbers", json!({"d": value, "f": 1})).await;
            if database.kind == Kind::Mysql {
                // Its columns hold no NaN, which its driver sends as a text.
                let refused = made.expect_err("it is refused");
                // MariaDB and MySQL word it differently.
                assert!(
                    refused.message.contains("column") && refused.message.contains("at row 1"),
                    "{value}"
                );
            } else {
                made.unwrap_or_else(|thrown| panic!("{value}: {thrown}"));
            }
        }
        for (text, number) in [("1.5", 1.5), (" 1e3 ", 1000.0), ("-0.25", -0.25)] {
            records.create_one("numbers", json!({"d": text})).await.expect("it is created");
            let all = records.all("numbers").await;
            let last = all.as_array().and_then(|all| all.last()).and_then(|one| one["d"].as_f64());
            assert_eq!(last, Some(number), "{text}");
        }
        let nothing = "SELECT COUNT(*) FROM numbers WHERE f = 1 AND d IS NULL";
        assert_eq!(records.rows.number(nothing).await, 0, "NaN is no NULL");
        let count = records
            .all("numbers")
            .await
            .as_array()
            .map_or(0, |all| all.iter().filter(|one| one["d"].is_null()).count());
        assert_eq!(count, if database.kind == Kind::Mysql { 0 } else { odd.len() }, "{}", database.kind);
        if database.kind == Kind::Postgres {
            let refused = records.create_one("numbers", json!({"d": [1]})).await.expect_err("it is refused");
            assert_eq!(refused.message, r#"invalid input syntax for type double precision: "{"1"}""#);
            let refused = records.create_one("numbers", json!({"d": ""})).await.expect_err("it is refused");
            assert_eq!(refused.message, r#"invalid input syntax for type double precision: """#);
        }
    })
    .await;
}

#[tokio::test]
async fn texts_with_nul_are_written_as_the_driver_writes_them() {
    on_every_database(async |database| {
        let fields = json!([{"name": "s", "type": "string"}, {"name": "t", "type": "text"}, {"name": "j", "type": "json"}]);
        let records = Records::create(&database, &[plain("texts", fields)]).await;
        let given = json!({"s": "a\u{0}b", "t": ["\u{0}", "c"], "j": {"k": "\u{0}"}});
        records.create_one("texts", given).await.expect("it is created");
        assert_eq!(records.update("texts", json!({"s": "a\u{0}b"}), json!({"t": "x\u{0}"})).await, Ok(1));
        let all = records.all("texts").await;
        let nul = if database.kind == Kind::Postgres { "\\0" } else { "\u{0}" };
        assert_eq!(all[0]["s"], format!("a{nul}b"), "{}", database.kind);
        assert_eq!(all[0]["t"], format!("x{nul}"), "{}", database.kind);
        assert_eq!(all[0]["j"], json!({"k": "\u{0}"}), "JSON escapes it");
    })
    .await;
}

#[tokio::test]
async fn two_associations_that_change_nothing_are_a_change_of_the_time() {
    on_every_database(async |database| {
        let payloads = [
            plain("owners", json!([{"name": "name", "type": "string"}])),
            plain("lines", json!([{"name": "sku", "type": "string"}])),
            json!({"name": "bills", "fields": [
                {"name": "lines", "type": "hasMany", "target": "lines", "foreignKey": "billId", "sourceKey": "id", "targetKey": "id"},
                {"name": "own", "type": "belongsTo", "target": "owners", "foreignKey": "ownId", "targetKey": "id"},
            ]}),
        ];
        let records = Records::create(&database, &payloads).await;
        records.create_one("owners", json!({"name": "a"})).await.expect("it is created");
        records.create_one("bills", json!({"own": 1})).await.expect("it is created");
        let time = async || records.all("bills").await[0]["updatedAt"].clone();
        let before = time().await;
        records.clock.set(1_795_379_460_000);
        for values in [json!({"own": {"id": 1}}), json!({"lines": []})] {
            assert_eq!(records.update("bills", json!({"id": 1}), values).await, Ok(1));
            assert_eq!(time().await, before, "{}", database.kind);
        }
        assert_eq!(records.update("bills", json!({"id": 1}), json!({"lines": [], "own": {"id": 1}})).await, Ok(1));
        assert_eq!(time().await, "2026-11-22T20:31:00.000Z", "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn one_radio_is_chosen_at_a_time() {
    on_every_database(async |database| {
        let fields = json!([{"name": "main", "type": "radio"}]);
        let records = Records::create(&database, &[plain("options", fields)]).await;
        for main in [json!(true), json!(false), json!("true")] {
            records.create_one("options", json!({"main": main})).await.expect("it is created");
        }
        let chosen = async || -> Vec<bool> {
            let all = records.all("options").await;
            all.as_array().expect("records").iter().map(|one| one["main"] == json!(true)).collect()
        };
        assert_eq!(chosen().await, [false, false, true]);
        assert_eq!(records.update("options", json!({"id": 2}), json!({"main": 1})).await, Ok(1));
        assert_eq!(chosen().await, [false, true, false]);
    })
    .await;
}

#[tokio::test]
async fn checks_have_nocobases_errors() {
    on_every_database(async |database| {
        let rule = |name: &str, args: Value| json!({"key": "r", "name": name, "args": args});
        let fields = json!([
            {"name": "code", "type": "string", "unique": true, "allowNull": false},
            {"name": "uid", "type": "password"},
            {"name": "short", "type": "string",
             "validation": {"type": "string", "rules": [rule("max", json!({"limit": 3}))]}},
        ]);
        let records = Records::create(&database, &[plain("coded", fields)]).await;
        let result = |thrown: sidehook::expr::Thrown| -> Value {
            let text = sidehook::expr::json::stringify_or_null(&thrown.to_result());
            serde_json::from_str(&text).expect("JSON")
        };
        let missing = result(records.create_one("coded", json!({"short": "x"})).await.expect_err("refused"));
        assert_eq!(missing["name"], "SequelizeValidationError");
        assert_eq!(missing["message"], "notNull Violation: coded.code cannot be null");
        assert_eq!(missing["errors"][0]["validatorKey"], "is_null");
        let array =
            result(records.create_one("coded", json!({"code": "a", "uid": [1]})).await.expect_err("refused"));
        assert_eq!(array["message"], "string violation: uid cannot be an array or an object");
        let long = result(
            records.create_one("coded", json!({"code": "a", "short": "long"})).await.expect_err("refused"),
        );
        assert_eq!(long["details"][0]["type"], "string.max");
        assert_eq!(long["message"], "\"coded.short\" length must be less than or equal to 3 characters long");
        records.create_one("coded", json!({"code": "a"})).await.expect("it is created");
        records.create_one("coded", json!({"code": "b"})).await.expect("it is created");
        let twice = [
            records.create_one("coded", json!({"code": "a"})).await.map(drop),
            records.update("coded", json!({"id": 2}), json!({"code": "a"})).await.map(drop),
        ];
        for thrown in twice {
            let found = result(thrown.expect_err("refused"));
            assert_eq!(found["name"], "SequelizeUniqueConstraintError", "{}", database.kind);
            assert_eq!(found["message"], "Validation error");
            assert_eq!(found["errors"][0]["validatorKey"], "not_unique");
            assert_eq!(found["errors"][0]["value"], "a");
        }
        let long = result(
            records.update("coded", json!({"id": 2}), json!({"short": "long"})).await.expect_err("refused"),
        );
        assert_eq!(long["details"][0]["type"], "string.max");
        assert_eq!(records.all("coded").await.as_array().map(Vec::len), Some(2));
    })
    .await;
}
