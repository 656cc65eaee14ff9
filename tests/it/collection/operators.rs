//! The operators of filters on columns of each kind.

use serde_json::{Value, json};

use super::things::{check, things};
use crate::databases::Kind;
use crate::server::{on_databases, on_every_database};

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
    // One after the other: a server ends a transaction that waits while the lists of another are made.
    for kind in Kind::ALL {
        on_databases(&[kind], async |database| {
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
}
