//! Collections of a stand-alone SQLite database, for the examples of node types. In a NocoBase deployment only NocoBase
//! makes collections.

use entity::Table;
use sea_orm::sea_query::{self, Alias, ColumnDef, Expr, ExprTrait, IntoTableRef, Query, TableRef};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Map, Value};

use super::Store;

/// What is read of NocoBase's tables `collections` and `fields`, with the columns' types.
const COLLECTIONS: [(&str, &str); 2] = [("name", "varchar(255)"), ("options", "json")];
const FIELDS: [(&str, &str); 6] = [
    ("name", "varchar(255)"),
    ("type", "varchar(255)"),
    ("interface", "varchar(255)"),
    ("collectionName", "varchar(255)"),
    ("options", "json"),
    ("sort", "bigint"),
];

impl Store {
    /// Makes a collection with exactly these records, in place of one of its name. `collection` is a payload of
    /// `collections:create`, `records` an array of objects.
    pub async fn replace_sample(&self, collection: &Value, records: &Value) -> Result<(), DbErr> {
        let name = text(collection, "name");
        let fields = collection["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.create_table(self.table(Table::Collections), COLLECTIONS).await?;
        self.create_table(self.table(Table::Fields), FIELDS).await?;
        self.remove_sample(name).await?;
        let columns = fields.iter().map(|field| (text(field, "name"), column_type(field)));
        self.create_table(Alias::new(name).into_table_ref(), columns).await?;
        let mut insert = Query::insert();
        insert
            .into_table(self.table(Table::Collections))
            .columns(self.columns(["name", "options"]))
            .values_panic([Expr::val(name), options(collection, &["name", "fields"])]);
        self.db.execute(&insert).await?;
        for (field, sort) in fields.iter().zip(1_i64..) {
            let mut insert = Query::insert();
            insert
                .into_table(self.table(Table::Fields))
                .columns(self.columns(["name", "type", "collectionName", "options", "sort"]))
                .values_panic([
                    Expr::val(text(field, "name")),
                    Expr::val(text(field, "type")),
                    Expr::val(name),
                    options(field, &["name", "type"]),
                    sort.into(),
                ]);
            self.db.execute(&insert).await?;
        }
        for record in records.as_array().into_iter().flatten().filter_map(Value::as_object) {
            let columns = record.keys().map(Alias::new);
            let mut insert = Query::insert();
            insert.into_table(Alias::new(name)).columns(columns).values_panic(record.values().map(value));
            self.db.execute(&insert).await?;
        }
        Ok(())
    }

    async fn create_table<'a>(
        &self,
        table: TableRef,
        columns: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), DbErr> {
        let mut create = sea_query::Table::create();
        create.table(table).if_not_exists();
        for (name, kind) in columns {
            create.col(ColumnDef::new(self.column(name)).custom(Alias::new(kind)));
        }
        self.db.execute(&create).await.map(drop)
    }

    async fn remove_sample(&self, name: &str) -> Result<(), DbErr> {
        for (table, field) in [(Table::Collections, "name"), (Table::Fields, "collectionName")] {
            let mut delete = Query::delete();
            delete.from_table(self.table(table)).and_where(Expr::col(self.column(field)).eq(name));
            self.db.execute(&delete).await?;
        }
        let mut drop_table = sea_query::Table::drop();
        drop_table.table(Alias::new(name)).if_exists();
        self.db.execute(&drop_table).await.map(drop)
    }
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

/// What `options` holds: everything that has no column of its own.
fn options(payload: &Value, columns: &[&str]) -> Expr {
    let members = payload.as_object().into_iter().flatten();
    let rest: Map<String, Value> = members
        .filter(|(name, _)| !columns.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Expr::val(Value::Object(rest).to_string())
}

fn column_type(field: &Value) -> &'static str {
    match (text(field, "type"), field["primaryKey"] == true) {
        ("bigInt", true) => "INTEGER PRIMARY KEY AUTOINCREMENT",
        ("bigInt" | "integer", _) => "integer",
        ("float" | "double", _) => "double precision",
        ("boolean", _) => "tinyint(1)",
        ("json", _) => "json",
        _ => "varchar(255)",
    }
}

fn value(value: &Value) -> Expr {
    match value {
        Value::Null => Expr::val(None::<String>),
        Value::Bool(flag) => Expr::val(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Expr::val(whole),
            None => Expr::val(number.as_f64()),
        },
        Value::String(text) => Expr::val(text),
        other => Expr::val(other.to_string()),
    }
}
