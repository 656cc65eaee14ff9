//! Inserting many rows into one of NocoBase's tables. A table's columns are one list, which says how each gets its
//! value; both forms of the statement are made of it. On PostgreSQL that is one array per column and `unnest`, so that
//! the statement is the same for any number of rows and is prepared once; elsewhere rows of values.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::{ArrayType, Expr, Query, Value};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Store;

/// A column, with what a row of type `R` has for it.
pub(super) struct Column<R> {
    pub field: &'static str,
    get: Get<R>,
    /// sea-query binds no arrays with nulls in them: a second array says where there are any.
    has_nulls: bool,
}

/// How a row gives its value, by the kind of column.
pub(super) enum Get<R> {
    Id(fn(&R) -> Option<i64>),
    Status(fn(&R) -> Option<i32>),
    Text(fn(&R) -> Option<&str>),
    /// A JSON text.
    Json(fn(&R) -> Option<&str>),
    Time(fn(&R) -> Option<DateTime<Utc>>),
    Flag(fn(&R) -> Option<bool>),
    /// True in every row.
    True,
}

impl<R> Column<R> {
    pub(super) const fn new(field: &'static str, get: Get<R>) -> Self {
        Self { field, get, has_nulls: false }
    }

    /// For a column in which rows may have none.
    pub(super) const fn or_null(field: &'static str, get: Get<R>) -> Self {
        Self { field, get, has_nulls: true }
    }

    /// The value in a list of values.
    fn value(&self, row: &R, store: &Store) -> Expr {
        match self.get {
            Get::Id(get) => Expr::val(get(row)),
            Get::Status(get) => Expr::val(get(row)),
            Get::Text(get) => Expr::val(get(row).map(str::to_owned)),
            Get::Json(get) => store.codec.json(get(row).map(str::to_owned)),
            Get::Time(get) => store.codec.optional_time(get(row)),
            Get::Flag(get) => Expr::val(get(row)),
            Get::True => Expr::val(true),
        }
    }

    /// The values of all rows, each with whether it is null, and the type of the column.
    fn array(&self, rows: &[&R]) -> Option<(&'static str, Value, Value)> {
        let (kind, array_type, cells): (_, _, Vec<(Value, bool)>) = match self.get {
            Get::Id(get) => ("bigint", ArrayType::BigInt, cells(rows, get)),
            Get::Status(get) => ("integer", ArrayType::Int, cells(rows, get)),
            Get::Text(get) | Get::Json(get) => {
                let texts = rows.iter().map(|row| {
                    let text = get(row);
                    (Value::from(text.unwrap_or_default()), text.is_none())
                });
                ("text", ArrayType::String, texts.collect())
            }
            Get::Time(get) => ("timestamptz", ArrayType::ChronoDateTimeUtc, cells(rows, get)),
            Get::Flag(get) => ("boolean", ArrayType::Bool, cells(rows, get)),
            Get::True => return None,
        };
        let (values, nulls): (Vec<Value>, Vec<bool>) = cells.into_iter().unzip();
        let nulls = nulls.into_iter().map(Value::from).collect();
        let array = |kind, values| Value::Array(kind, Some(Box::new(values)));
        Some((kind, array(array_type, values), array(ArrayType::Bool, nulls)))
    }
}

fn cells<R, T: Default + Into<Value>>(rows: &[&R], get: fn(&R) -> Option<T>) -> Vec<(Value, bool)> {
    let cell = |row: &&R| {
        let found = get(row);
        let is_null = found.is_none();
        (found.unwrap_or_default().into(), is_null)
    };
    rows.iter().map(cell).collect()
}

/// The fields of a list of columns.
pub(super) const fn fields<R, const N: usize>(columns: &[Column<R>; N]) -> [&'static str; N] {
    let mut fields = [""; N];
    let mut index = 0;
    while index < N {
        fields[index] = columns[index].field;
        index += 1;
    }
    fields
}

impl Store {
    pub(super) async fn insert_rows<R, C: ConnectionTrait>(
        &self,
        db: &C,
        table: Table,
        columns: &[Column<R>],
        rows: &[&R],
    ) -> Result<(), DbErr> {
        if rows.is_empty() {
            return Ok(());
        }
        if self.codec.backend() == DbBackend::Postgres {
            let statement = self.unnest(table, columns, rows);
            return db.execute_raw(statement).await.map(drop);
        }
        for rows in rows.chunks(self.codec.bind_limit() / columns.len()) {
            let mut insert = Query::insert();
            let names = columns.iter().map(|column| self.column(column.field));
            insert.into_table(self.table(table)).columns(names);
            for row in rows {
                insert.values_panic(columns.iter().map(|column| column.value(row, self)));
            }
            db.execute(&insert).await?;
        }
        Ok(())
    }

    fn unnest<R>(&self, table: Table, columns: &[Column<R>], rows: &[&R]) -> Statement {
        let (mut names, mut selected, mut arrays, mut aliases, mut values) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, column) in columns.iter().enumerate() {
            names.push(quoted(&self.names.column_name(column.field)));
            let Some((kind, array, nulls)) = column.array(rows) else {
                selected.push("true".to_owned());
                continue;
            };
            values.push(array);
            arrays.push(format!("${}::{kind}[]", values.len()));
            aliases.push(format!("v{index}"));
            let cast = if matches!(column.get, Get::Json(_)) { "::json" } else { "" };
            if column.has_nulls {
                values.push(nulls);
                arrays.push(format!("${}::boolean[]", values.len()));
                aliases.push(format!("n{index}"));
                selected.push(format!("CASE WHEN n{index} THEN NULL ELSE v{index} END{cast}"));
            } else {
                selected.push(format!("v{index}{cast}"));
            }
        }
        let sql = format!(
            "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS r({})",
            self.quoted_table(table),
            names.join(", "),
            selected.join(", "),
            arrays.join(", "),
            aliases.join(", "),
        );
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    }

    fn quoted_table(&self, table: Table) -> String {
        let name = quoted(&self.names.table_name(table));
        match self.names.schema() {
            Some(schema) => format!("{}.{name}", quoted(schema)),
            None => name,
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
