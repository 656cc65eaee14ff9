//! Six rows with a column of each kind, which filters are tried on.

use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::records::{Records, plain};

/// s, t, i, d, b, arr, j, the time of at, day and nt, and ux; as SQL.
const ROWS: [[&str; 9]; 6] = [
    [
        "'apple'",
        "'red'",
        "5",
        "1.50",
        "true",
        "'[\"a\"]'",
        "'{\"k\":1,\"o\":{\"p\":\"x\"}}'",
        "2024-02-28 23:59:59",
        "1709164799",
    ],
    [
        "'pear'",
        "NULL",
        "0",
        "2.25",
        "false",
        "'[\"a\",\"b\"]'",
        "'{\"k\":2.5,\"f\":true}'",
        "2024-02-29 00:00:00",
        "1709164800",
    ],
    [
        "'plum_2'",
        "''",
        "-3",
        "10",
        "true",
        "'[\"c\"]'",
        "'{\"k\":\"1\"}'",
        "2024-02-29 23:59:59",
        "1709251199",
    ],
    ["'bolt'", "'50% off'", "100", "0.05", "NULL", "'[]'", "'[1]'", "2024-03-01 00:00:00", "1709251200"],
    ["NULL", "'a_b'", "NULL", "NULL", "true", "NULL", "NULL", "NULL", "NULL"],
    ["''", "'null'", "7", "7", "false", "'[\"b\",\"a\",\"x\"]'", "'{}'", "2023-02-10 10:00:00", "1676023200"],
];

/// The values of a row as SQL: texts of times differ by database.
fn row(kind: Kind, [s, t, i, d, b, arr, j, at, ux]: [&str; 9]) -> String {
    let (instant, clock) = match kind {
        Kind::Sqlite => (" +00:00", " +00:00"),
        Kind::Postgres => ("+00", ""),
        Kind::Mysql => ("", ""),
    };
    let day = at.get(..10).map_or("NULL".to_owned(), |day| format!("'{day}'"));
    let time = |zone: &str| if at == "NULL" { at.to_owned() } else { format!("'{at}.000{zone}'") };
    let f = match s {
        "'apple'" => "20.5",
        "'pear'" => "1.25",
        "'plum_2'" => "1.5",
        _ => "-1",
    };
    format!("{s}, {t}, {i}, {d}, {b}, {arr}, {j}, {}, {day}, {}, {ux}, {f}", time(instant), time(clock))
}

pub async fn things(database: &TestDatabase) -> Records {
    things_on(database, &[]).await
}

pub async fn things_on(database: &TestDatabase, settings: &[(&str, &str)]) -> Records {
    let fields = json!([
        {"name": "s", "type": "string"},
        {"name": "t", "type": "text"},
        {"name": "i", "type": "integer"},
        {"name": "d", "type": "decimal", "precision": 10, "scale": 2},
        {"name": "b", "type": "boolean"},
        {"name": "arr", "type": "array"},
        {"name": "j", "type": "json"},
        {"name": "at", "type": "date"},
        {"name": "day", "type": "dateOnly"},
        {"name": "nt", "type": "datetimeNoTz"},
        {"name": "ux", "type": "unixTimestamp"},
        {"name": "f", "type": "double"},
    ]);
    let records = Records::create_with_settings(database, settings, &[plain("things", fields)]).await;
    let rows = ROWS.map(|cells| row(database.kind, cells));
    let columns = ["s", "t", "i", "d", "b", "arr", "j", "at", "day", "nt", "ux", "f"];
    records.insert("things", &columns, &rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    records
}

pub async fn check(records: &Records, kind: Kind, cases: &[(Value, &[i64])]) {
    let mut wrong = Vec::new();
    for (filter, expected) in cases {
        match records.ids("things", filter).await {
            Ok(ids) if ids == *expected => {}
            found => wrong.push(format!("{filter}\n  expected: {expected:?}\n  actual:   {found:?}")),
        }
    }
    assert!(wrong.is_empty(), "on {kind}:\n{}", wrong.join("\n"));
}
