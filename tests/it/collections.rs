//! Creates collections as NocoBase's `collections:create` does: the table of each, and the rows in `collections` and
//! `fields`. Names are those of a deployment without prefix and underscores.

use std::fmt::Write as _;

use sea_orm::DbBackend;
use serde_json::{Map, Value, json};

use crate::rows::Rows;

const ASSOCIATIONS: [&str; 5] = ["belongsTo", "belongsToArray", "hasOne", "hasMany", "belongsToMany"];

/// Creates `collections`, `fields`, `users`, `storages` and `attachments` where they do not exist. The last three have no
/// rows in the other two: they are what NocoBase's plugins define in code.
pub async fn prepare(rows: &Rows) {
    let json = column_type(rows, &json!({"type": "json"}));
    let flag = column_type(rows, &json!({"type": "boolean"}));
    let [time, text] = ["date", "text"].map(|kind| column_type(rows, &json!({"type": kind})));
    let q = |name: &str| quoted(rows, name);
    let (name, key, collection) = (q("name"), q("key"), q("collectionName"));
    let (sort, options, hidden) = (q("sort"), q("options"), q("hidden"));
    let vc = "varchar(255)";
    let tables = [
        format!(
            "{} ({key} {vc} PRIMARY KEY, {name} {vc} UNIQUE, {} {vc}, {} {flag}, {hidden} {flag}, {options} {json}, \
             {} {text}, {sort} bigint)",
            q("collections"),
            q("title"),
            q("inherit"),
            q("description"),
        ),
        format!(
            "{} ({key} {vc} PRIMARY KEY, {name} {vc}, {} {vc}, {} {vc}, {} {text}, {collection} {vc}, {} {vc}, {} {vc}, \
             {options} {json}, {sort} bigint)",
            q("fields"),
            q("type"),
            q("interface"),
            q("description"),
            q("parentKey"),
            q("reverseKey"),
        ),
        format!(
            "{} ({} {}, {} {vc}, {} {vc}, {} {time}, {} {time})",
            q("users"),
            q("id"),
            column_type(rows, &json!({"type": "bigInt", "primaryKey": true, "autoIncrement": true})),
            q("nickname"),
            q("email"),
            q("createdAt"),
            q("updatedAt"),
        ),
    ];
    for table in tables.into_iter().chain(file_tables(rows)) {
        rows.execute(&format!("CREATE TABLE IF NOT EXISTS {table}")).await;
    }
}

/// The tables of NocoBase's file manager.
fn file_tables(rows: &Rows) -> [String; 2] {
    let column = |(name, kind): &(&str, &str)| {
        let counted = json!({"type": "bigInt", "primaryKey": true, "autoIncrement": true});
        let kind = if *name == "id" {
            column_type(rows, &counted)
        } else {
            column_type(rows, &json!({"type": kind}))
        };
        format!("{} {kind}", quoted(rows, name))
    };
    let table = |name: &str, columns: &[(&str, &str)]| {
        let columns: Vec<String> = columns.iter().map(column).collect();
        format!("{} ({})", quoted(rows, name), columns.join(", "))
    };
    let times = [("createdAt", "date"), ("updatedAt", "date")];
    let storage = [
        ("id", "bigInt"),
        ("title", "string"),
        ("name", "uid"),
        ("type", "string"),
        ("options", "json"),
        ("rules", "json"),
        ("path", "text"),
        ("baseUrl", "string"),
        ("renameMode", "string"),
        ("default", "boolean"),
        ("paranoid", "boolean"),
        ("settings", "json"),
    ];
    let attachment = [
        ("id", "bigInt"),
        ("title", "string"),
        ("filename", "string"),
        ("extname", "string"),
        ("size", "integer"),
        ("mimetype", "string"),
        ("storageId", "bigInt"),
        ("path", "text"),
        ("meta", "jsonb"),
        ("url", "text"),
        ("createdById", "bigInt"),
        ("updatedById", "bigInt"),
    ];
    [
        table("storages", &[&storage[..], &times[..]].concat()),
        table("attachments", &[&attachment[..], &times[..]].concat()),
    ]
}

/// Creates collections from payloads of `collections:create`; those that exist already stay as they are.
pub async fn create(rows: &Rows, payloads: &[Value]) {
    prepare(rows).await;
    let mut created = Vec::new();
    for payload in payloads {
        let name = payload["name"].as_str().expect("a collection has a name");
        if !is_known(rows, name).await {
            create_one(rows, name, payload, payloads).await;
            created.push(payload);
        }
    }
    // A key can belong to a collection that comes later.
    for field in created.iter().filter_map(|payload| payload["fields"].as_array()).flatten() {
        if matches!(text(field, "type"), "hasMany" | "hasOne") {
            let owner = created
                .iter()
                .find(|payload| payload["fields"].as_array().is_some_and(|all| all.contains(field)));
            add_foreign_key(rows, field, owner.copied().unwrap_or(&Value::Null)).await;
        }
    }
}

async fn is_known(rows: &Rows, name: &str) -> bool {
    let (collections, column) = (quoted(rows, "collections"), quoted(rows, "name"));
    rows.number(&format!("SELECT COUNT(*) FROM {collections} WHERE {column} = '{name}'")).await > 0
}

async fn create_one(rows: &Rows, name: &str, payload: &Value, all: &[Value]) {
    if payload["sql"].is_null() {
        create_table(rows, name, payload, all).await;
    }
    insert_collection(rows, name, &without(payload, &["name", "title", "fields"])).await;
    for (sort, field) in payload["fields"].as_array().into_iter().flatten().enumerate() {
        insert_field(rows, name, field, sort + 1).await;
    }
}

/// The table of a collection with those between it and others. A table that inherits has its own columns only.
async fn create_table(rows: &Rows, name: &str, payload: &Value, all: &[Value]) {
    let fields = payload["fields"].as_array().cloned().unwrap_or_default();
    let parents: Vec<String> = payload["inherits"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|parent| Some(quoted(rows, parent.as_str()?)))
        .collect();
    let is_heir = !parents.is_empty() && rows.store.codec.backend() == DbBackend::Postgres;
    let mut columns: Vec<(String, String)> = Vec::new();
    let has_key = fields.iter().any(|field| field["primaryKey"] == true);
    if !has_key && !is_heir && payload["autoGenId"] != false {
        let id = json!({"type": "bigInt", "primaryKey": true, "autoIncrement": true});
        columns.push(("id".to_owned(), column_type(rows, &id)));
    }
    for time in ["createdAt", "updatedAt"] {
        let is_declared = fields.iter().any(|field| field["name"] == time);
        if payload[time] != false && payload["timestamps"] != false && !is_declared && !is_heir {
            columns.push((time.to_owned(), format!("{} NOT NULL", implicit_time(rows))));
        }
    }
    for field in fields.iter().filter(|field| !is_association(field)) {
        columns.push((text(field, "name").to_owned(), column_type(rows, field)));
    }
    for field in fields.iter().filter(|field| field["type"] == "belongsTo") {
        let key = text(field, "foreignKey").to_owned();
        if !columns.iter().any(|(column, _)| *column == key) {
            let target = all.iter().find(|one| one["name"] == field["target"]).unwrap_or(&Value::Null);
            columns.push((key, key_type(rows, target, &field["targetKey"])));
        }
    }
    let table = quoted(rows, payload["tableName"].as_str().unwrap_or(name));
    let columns: Vec<String> =
        columns.iter().map(|(name, kind)| format!("{} {kind}", quoted(rows, name))).collect();
    let inherited = if is_heir { format!(" INHERITS ({})", parents.join(", ")) } else { String::new() };
    rows.execute(&format!("CREATE TABLE {table} ({}){inherited}", columns.join(", "))).await;
    if payload["tree"].is_string() {
        create_paths(rows, name, &fields).await;
    }
    for field in fields.iter().filter(|field| text(field, "type") == "belongsToMany") {
        create_through(rows, field).await;
    }
}

/// The key of a `hasMany` is a column of its target, unless there is a field of its name.
async fn add_foreign_key(rows: &Rows, field: &Value, owner: &Value) {
    let (target, key) = (text(field, "target"), text(field, "foreignKey"));
    let columns = rows.store.table_columns(None, target).await.expect("the columns are read");
    if !columns.iter().any(|column| column.name == key) {
        let kind = key_type(rows, owner, &field["sourceKey"]);
        rows.execute(&format!(
            "ALTER TABLE {} ADD COLUMN {} {kind}",
            quoted(rows, target),
            quoted(rows, key)
        ))
        .await;
    }
}

/// The type of a column that refers to a field of a collection.
fn key_type(rows: &Rows, collection: &Value, key: &Value) -> String {
    let field = collection["fields"].as_array().into_iter().flatten().find(|field| field["name"] == *key);
    match field.map(|field| text(field, "type")) {
        Some("string") => column_type(rows, &json!({"type": "string"})),
        _ => "bigint".to_owned(),
    }
}

/// The table that `plugin-collection-tree` defines in code beside a tree.
async fn create_paths(rows: &Rows, name: &str, fields: &[Value]) {
    let key =
        fields.iter().find(|field| field["primaryKey"] == true).map_or("bigInt", |key| text(key, "type"));
    let key = column_type(rows, &json!({"type": key}));
    let [node, path, root] = ["nodePk", "path", "rootPk"].map(|column| quoted(rows, column));
    let table = quoted(rows, &format!("main_{name}_path"));
    rows.execute(&format!("CREATE TABLE {table} ({node} {key}, {path} varchar(1024), {root} {key})")).await;
}

async fn create_through(rows: &Rows, field: &Value) {
    let through = text(field, "through");
    let mut columns = String::new();
    for time in ["createdAt", "updatedAt"] {
        let _ = write!(columns, "{} {} NOT NULL, ", quoted(rows, time), implicit_time(rows));
    }
    let [key, other] =
        ["foreignKey", "otherKey"].map(|key| format!("{} bigint", quoted(rows, text(field, key))));
    rows.execute(&format!("CREATE TABLE IF NOT EXISTS {} ({columns}{key}, {other})", quoted(rows, through)))
        .await;
    let options = json!({"timestamps": true, "autoGenId": false, "autoCreate": true, "isThrough": true});
    if !is_known(rows, through).await {
        insert_collection(rows, through, &options).await;
    }
}

async fn insert_collection(rows: &Rows, name: &str, options: &Value) {
    let columns = ["key", "name", "title", "options"].map(|column| quoted(rows, column)).join(", ");
    let values = [name, name, name, &options.to_string()].map(literal).join(", ");
    rows.execute(&format!("INSERT INTO {} ({columns}) VALUES ({values})", quoted(rows, "collections"))).await;
}

async fn insert_field(rows: &Rows, collection: &str, field: &Value, sort: usize) {
    let columns = ["key", "name", "type", "interface", "collectionName", "options", "sort"];
    let options = without(field, &["name", "type", "interface"]).to_string();
    let key = format!("{collection}.{}", text(field, "name"));
    let interface = field["interface"].as_str().unwrap_or_default();
    let values = [&key, text(field, "name"), text(field, "type"), interface, collection, &options]
        .map(literal)
        .join(", ");
    let columns = columns.map(|column| quoted(rows, column)).join(", ");
    rows.execute(&format!("INSERT INTO {} ({columns}) VALUES ({values}, {sort})", quoted(rows, "fields")))
        .await;
}

fn is_association(field: &Value) -> bool {
    ASSOCIATIONS.contains(&text(field, "type"))
}

fn text<'a>(field: &'a Value, key: &str) -> &'a str {
    field[key].as_str().unwrap_or_else(|| panic!("{field} has no {key}"))
}

fn without(payload: &Value, keys: &[&str]) -> Value {
    let members = payload.as_object().expect("an object").iter();
    let rest: Map<String, Value> = members
        .filter(|(key, _)| !keys.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::Object(rest)
}

/// The SQL of a text, in databases that treat backslashes as NocoBase's connections do.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub fn quoted(rows: &Rows, name: &str) -> String {
    match rows.store.codec.backend() {
        DbBackend::MySql => format!("`{name}`"),
        _ => format!("\"{name}\""),
    }
}

/// MySQL keeps the times that NocoBase adds by itself in whole seconds.
fn implicit_time(rows: &Rows) -> &'static str {
    match rows.store.codec.backend() {
        DbBackend::Postgres => "timestamptz",
        _ => "datetime",
    }
}

/// The type of a column with its constraints.
fn column_type(rows: &Rows, field: &Value) -> String {
    let backend = rows.store.codec.backend();
    let pick = |postgres: &str, mysql: &str, sqlite: &str| {
        match backend {
            DbBackend::Postgres => postgres,
            DbBackend::MySql => mysql,
            _ => sqlite,
        }
        .to_owned()
    };
    let is_key = field["primaryKey"] == true;
    let is_counted = field["autoIncrement"] == true;
    let mut sql = match text(field, "type") {
        "string" | "uid" | "nanoid" | "password" | "sequence" | "encryption" => "varchar(255)".to_owned(),
        "text" => "text".to_owned(),
        "integer" => "integer".to_owned(),
        "bigInt" if is_key && is_counted => {
            return pick(
                "bigserial PRIMARY KEY",
                "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
                "INTEGER PRIMARY KEY AUTOINCREMENT",
            );
        }
        "snowflakeId" | "bigInt" if is_key => pick("bigint", "bigint", "INTEGER"),
        "bigInt" | "snowflakeId" | "sort" | "unixTimestamp" | "context" => "bigint".to_owned(),
        "float" | "double" => pick("double precision", "double", "double precision"),
        "decimal" => format!("decimal({}, {})", field["precision"], field["scale"]),
        "boolean" | "radio" => pick("boolean", "tinyint(1)", "tinyint(1)"),
        "json" => "json".to_owned(),
        "jsonb" | "array" | "set" => pick("jsonb", "json", "json"),
        "date" | "datetime" | "datetimeTz" => pick("timestamptz", "datetime(3)", "datetime"),
        "datetimeNoTz" => pick("timestamp", "datetime", "datetime"),
        "dateOnly" => "date".to_owned(),
        "formula" => {
            let kind = field["dataType"].as_str().unwrap_or("double");
            return column_type(rows, &json!({"type": kind}));
        }
        // MySQL has geometry where NocoBase keeps JSON in MariaDB.
        "point" => pick("point", "/*!50700 point */ /*M! json */", "json"),
        "lineString" => pick("path", "/*!50700 linestring */ /*M! json */", "json"),
        "polygon" => pick("polygon", "/*!50700 polygon */ /*M! json */", "json"),
        "circle" => pick("circle", "json", "json"),
        "time" => "time".to_owned(),
        "uuid" => pick("uuid", "char(36) character set ascii", "uuid"),
        other => panic!("no column for fields of the type {other}"),
    };
    if is_key {
        sql.push_str(" PRIMARY KEY");
    }
    if field["allowNull"] == false && !is_key {
        sql.push_str(" NOT NULL");
    }
    if field["unique"] == true {
        sql.push_str(" UNIQUE");
    }
    if let Some(default) = field["defaultValue"].as_str() {
        let _ = write!(sql, " DEFAULT {}", literal(default));
    }
    sql
}
