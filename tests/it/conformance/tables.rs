//! The tables of a case: creating its collections, running `seed` and reading `inspect`. Both are written for
//! PostgreSQL and are translated for the other databases as far as the cases need it.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::case::{Case, Node};
use crate::collections;
use crate::databases::{Kind, Product};
use crate::rows::Rows;

/// Cases that a database other than PostgreSQL answers differently, by the beginnings of their names, with the
/// reason. What the README of the cases allows to differ is compared nowhere else.
const LEFT_OUT: &[(&str, &[Kind], &str)] = &[
    ("aggregate-types", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    // There the result of a creation has only what was given and generated.
    ("create-associations", &[Kind::Mysql, Kind::Sqlite], "results of create"),
    ("create-failures", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    ("create-fields", &[Kind::Mysql, Kind::Sqlite], "results of create"),
    ("create-in-loop", &[Kind::Mysql, Kind::Sqlite], "results of create"),
    ("create-association-key-texts", &[Kind::Mysql, Kind::Sqlite], "results of create"),
    ("create-nul-characters", &[Kind::Mysql, Kind::Sqlite], "texts of PostgreSQL"),
    ("create-odd-numbers", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    ("create-sender-values", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    ("create-text-keys", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    ("create-many-to-many", &[Kind::Sqlite], "errors of PostgreSQL"),
    // A number that an insert has taken which then failed is free again there.
    ("create-field-rules", &[Kind::Sqlite], "numbers of keys"),
    ("fields-choices", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    ("update-failures", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    ("query-errors", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    // SQLite has no decimals, and its driver rounds great integers.
    ("query-values-used", &[Kind::Sqlite], "decimals"),
    ("async-values-after-pause", &[Kind::Sqlite], "decimals"),
    ("loop-stock", &[Kind::Sqlite], "decimals"),
    ("fields-filter-number-sizes", &[Kind::Mysql, Kind::Sqlite], "errors of PostgreSQL"),
    ("query-inherited", &[Kind::Mysql, Kind::Sqlite], "tables that inherit"),
    ("fields-inheritance", &[Kind::Mysql, Kind::Sqlite], "tables that inherit"),
    // utf8mb4_unicode_ci takes Ä for A.
    ("query-operators", &[Kind::Mysql], "comparison of text"),
    ("query-everyday", &[Kind::Mysql], "comparison of text"),
];

/// Cases that show the order of keys of a node's configuration, which MySQL's JSON type sorts before anybody reads it.
const SORTED_BY_MYSQL: [&str; 2] = ["request-json", "template-structures"];

/// Why a case is left out on a database.
pub fn left_out(case: &Case, product: Product) -> Option<&'static str> {
    let kind = product.kind();
    if product == Product::Mysql && SORTED_BY_MYSQL.contains(&case.name.as_str()) {
        return Some("order of keys");
    }
    if kind != Kind::Postgres && case.node_types().contains("sql") {
        return Some("statements of PostgreSQL");
    }
    let one = LEFT_OUT.iter().find(|(name, kinds, _)| case.name.starts_with(name) && kinds.contains(&kind));
    one.map(|(_, _, reason)| *reason)
}

/// Takes out what a creation has returned, as far as it was not read once more: on databases other than PostgreSQL
/// that is what was given and generated, no whole row.
pub fn forget_created(nodes: &[Node], recorded: &mut Value) {
    for node in nodes {
        let is_read = node.config["params"]["appends"].as_array().is_some_and(|appends| !appends.is_empty());
        if node.kind == "create" && !is_read {
            let executions = recorded["rows"].as_array_mut().into_iter().flatten();
            let jobs = executions.filter_map(|execution| execution.get_mut("jobs")?.as_array_mut()).flatten();
            jobs.filter(|job| job["node"] == node.key.as_str()).for_each(|job| job["result"] = Value::Null);
        }
        node.branches.iter().for_each(|branch| forget_created(&branch.nodes, recorded));
    }
}

/// Creates the collections of a case that do not exist, and fills them.
pub async fn set_up(rows: &Rows, case: &Case) {
    collections::create(rows, &case.collections).await;
    for statement in &case.seed {
        for sql in translate(rows.store.codec.backend(), statement) {
            rows.execute(&sql).await;
        }
    }
}

/// The rows of a statement, as PostgreSQL's `row_to_json` gives them.
pub async fn inspect(rows: &Rows, case: &Case, statement: &str) -> Value {
    let backend = rows.store.codec.backend();
    let rows = match backend {
        DbBackend::Postgres => {
            let texts =
                rows.texts(&format!("SELECT row_to_json(one_row)::text FROM ({statement}) one_row")).await;
            texts.into_iter().flatten().map(|text| serde_json::from_str(&text).expect("JSON")).collect()
        }
        _ => read(rows, case, &translate(backend, statement).concat()).await,
    };
    json!({"table": statement, "rows": Value::Array(rows)})
}

async fn read(rows: &Rows, case: &Case, sql: &str) -> Vec<Value> {
    let types = types(case, sql);
    let statement = Statement::from_string(rows.store.codec.backend(), sql);
    let found = rows.store.db.query_all_raw(statement).await.unwrap_or_else(|err| panic!("{sql}: {err}"));
    let object = |row| {
        let object = sidehook::collection::row::object(row, &rows.store.codec).expect("a readable row");
        let text = sidehook::expr::json::stringify_or_null(&object);
        let mut object: Value = serde_json::from_str(&text).expect("JSON");
        for (name, value) in object.as_object_mut().expect("an object") {
            *value = as_postgres(value.take(), types.get(name).map_or("", String::as_str));
        }
        object
    };
    found.iter().map(object).collect()
}

/// The types of the columns of the collection that a statement reads.
fn types(case: &Case, sql: &str) -> HashMap<String, String> {
    let name = sql
        .split_whitespace()
        .skip_while(|word| !word.eq_ignore_ascii_case("from"))
        .nth(1)
        .unwrap_or_default();
    let mut types: HashMap<String, String> =
        ["createdAt", "updatedAt"].map(|time| (time.to_owned(), "date".to_owned())).into();
    let own = case.collections.iter().find(|one| one["name"] == name);
    for field in own.and_then(|one| one["fields"].as_array()).into_iter().flatten() {
        let text = |key: &str| field[key].as_str().unwrap_or_default().to_owned();
        types.insert(text("name"), text("type"));
    }
    // What is compared in the list of columns is true or false, and has a name of its own behind it.
    for column in sql.split(" from ").next().unwrap_or_default().split(',') {
        if let Some(name) = column.split_whitespace().last().filter(|_| column.contains(['<', '>'])) {
            types.insert(name.to_owned(), "boolean".to_owned());
        }
    }
    types
}

/// A value of MySQL or SQLite as PostgreSQL would have it.
fn as_postgres(value: Value, kind: &str) -> Value {
    match (kind, &value) {
        ("date" | "datetime", Value::String(text)) => {
            let time = text.replacen(' ', "T", 1).replace(" +00:00", "").replace('Z', "");
            let time = if time.contains('.') {
                time.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                time
            };
            format!("{time}+00:00").into()
        }
        ("datetimeNoTz", Value::String(text)) => {
            text.replacen(' ', "T", 1).replace(".000", "").replace(" +00:00", "").replace('Z', "").into()
        }
        ("boolean", Value::Number(number)) => (number.as_f64() != Some(0.0)).into(),
        ("json" | "array" | "set", Value::String(text)) => serde_json::from_str(text).unwrap_or(value),
        ("decimal" | "bigInt" | "snowflakeId", Value::String(text)) => {
            serde_json::from_str(text).unwrap_or(value)
        }
        _ => value,
    }
}

/// A statement in the SQL of another database: one, or several.
fn translate(backend: DbBackend, statement: &str) -> Vec<String> {
    if backend == DbBackend::Postgres {
        return vec![statement.to_owned()];
    }
    if let Some(tables) = truncated(statement) {
        return tables.iter().flat_map(|table| emptied(backend, table)).collect();
    }
    // The table that a plugin makes beside a collection, if it does.
    if let Some(rest) = statement.strip_prefix(r#"do $$ begin if to_regclass('""#) {
        let table = rest.split('"').next().unwrap_or_default();
        return vec![format!("DELETE FROM {table}")];
    }
    let mut out = String::new();
    for (i, part) in statement.split('\'').enumerate() {
        // Every second part is a text; quotes inside of one do not occur.
        if i % 2 == 1 {
            out.push_str(&format!("'{}'", self::text(backend, part).replace('\\', "\\\\")));
        } else if backend == DbBackend::MySql {
            out.push_str(&part.replace('"', "`"));
        } else {
            out.push_str(part);
        }
    }
    vec![if backend == DbBackend::MySql { quote_columns(&out) } else { out }]
}

/// The tables that a statement empties.
fn truncated(statement: &str) -> Option<Vec<&str>> {
    let (command, rest) = statement.split_at_checked("TRUNCATE ".len())?;
    let end = rest.to_ascii_lowercase().find(" restart identity")?;
    let tables = command.eq_ignore_ascii_case("TRUNCATE ").then_some(&rest[..end])?;
    Some(tables.split(',').map(|table| table.trim().trim_matches('"')).collect())
}

fn emptied(backend: DbBackend, table: &str) -> Vec<String> {
    match backend {
        DbBackend::MySql => {
            vec![format!("DELETE FROM `{table}`"), format!("ALTER TABLE `{table}` AUTO_INCREMENT = 1")]
        }
        _ => vec![
            format!("DELETE FROM \"{table}\""),
            format!("DELETE FROM sqlite_sequence WHERE name = '{table}'"),
        ],
    }
}

/// A text as NocoBase writes it to the database: JSON without spaces, times in its own form.
fn text(backend: DbBackend, text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => value.to_string(),
        _ => time(backend, text),
    }
}

fn time(backend: DbBackend, text: &str) -> String {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let is_day = shape.starts_with("0000-00-00Z");
    if !is_day && !shape.starts_with("0000-00-00T00:00:00") && !shape.starts_with("0000-00-00 00:00:00") {
        return text.to_owned();
    }
    let bare = text.trim_end_matches('Z').replacen('T', " ", 1);
    let bare = if is_day { format!("{bare} 00:00:00") } else { bare };
    let (seconds, fraction) = bare.split_once('.').unwrap_or((&bare, ""));
    match backend {
        DbBackend::MySql => format!("{seconds}.{fraction:0<3}"),
        _ => format!("{seconds}.{fraction:0<3} +00:00"),
    }
}

/// Names of columns may be key words in MySQL.
fn quote_columns(sql: &str) -> String {
    let Some(list) = sql.strip_prefix("insert into ").and_then(|rest| rest.split_once(") values")) else {
        return sql.to_owned();
    };
    let (head, columns) = list.0.split_once('(').expect("a list of columns");
    let columns: Vec<String> =
        columns.split(',').map(|column| format!("`{}`", column.trim().trim_matches('`'))).collect();
    format!("insert into {head}({}) values{}", columns.join(", "), list.1)
}

#[test]
fn statements_are_translated() {
    let insert =
        r#"insert into t (dec, "createdAt") values ('a "b"', '2020-01-01Z'), (1, '2020-06-01T10:00:00.5Z')"#;
    assert_eq!(
        translate(DbBackend::MySql, insert),
        [
            r#"insert into t (`dec`, `createdAt`) values ('a "b"', '2020-01-01 00:00:00.000'), (1, '2020-06-01 10:00:00.500')"#
        ]
    );
    assert_eq!(
        translate(DbBackend::Sqlite, "insert into t (nt) values ('2024-02-28 23:59:59')"),
        ["insert into t (nt) values ('2024-02-28 23:59:59.000 +00:00')"]
    );
    let truncate = r#"TRUNCATE "a", "b" RESTART IDENTITY CASCADE"#;
    assert_eq!(translate(DbBackend::MySql, truncate).len(), 4);
    assert_eq!(translate(DbBackend::Postgres, truncate), [truncate]);
    assert_eq!(translate(DbBackend::Sqlite, "truncate a,b restart identity").len(), 4);
}
