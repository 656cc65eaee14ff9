//! Rows as a table in a statement of MySQL and MariaDB: one parameter, a JSON text, whatever their number. The statement is
//! the same for all of them, so that it is prepared once. Both have `JSON_TABLE` in every version that NocoBase runs on.

use serde_json::{Value, json};

use super::Store;
use super::column::{Column, Get};
use super::text::listed;

/// A query for the values of some rows, whose columns are called `c1`, `c2` and so on, with its parameter. JSON columns and
/// times are texts, as which they are bound elsewhere, too.
pub(super) fn json_table<'a, R: 'a>(
    store: &Store,
    columns: impl IntoIterator<Item = &'a Column<R>>,
    rows: &[&R],
) -> (String, String) {
    let columns: Vec<&Column<R>> = columns.into_iter().collect();
    let defined = columns.iter().enumerate().map(|(index, column)| {
        let kind = match column.get {
            Get::Id(_) => "bigint",
            Get::Status(_) => "int",
            Get::Text(_) | Get::Json(_) => "longtext CHARACTER SET utf8mb4",
            Get::Time(_) => "varchar(32) CHARACTER SET utf8mb4",
            Get::Flag(_) | Get::True => "tinyint",
        };
        // What does not fit is an error rather than nothing, as it is for a parameter of its own.
        format!("c{} {kind} PATH '$[{index}]' ERROR ON ERROR", index + 1)
    });
    let sql = format!("JSON_TABLE(?, '$[*]' COLUMNS ({}))", listed(defined));
    let rows = rows.iter().map(|row| columns.iter().map(|column| value(store, column, row)).collect());
    (sql, Value::Array(rows.collect()).to_string())
}

fn value<R>(store: &Store, column: &Column<R>, row: &R) -> Value {
    match column.get {
        Get::Id(get) => json!(get(row)),
        Get::Status(get) => json!(get(row)),
        Get::Text(get) | Get::Json(get) => json!(get(row)),
        Get::Time(get) => json!(get(row).map(|time| store.codec.time_text(time))),
        Get::Flag(get) => json!(get(row).map(i32::from)),
        Get::True => json!(1),
    }
}
