//! Rows as a table in a statement of PostgreSQL: one parameter for each column, whatever their number. Texts go as one text
//! with marks between them, which is far less work than a list of texts; where one of them holds a mark they are a list.

use std::fmt::Write as _;

use sea_orm::sea_query::{ArrayType, Value};

use super::column::{Column, Get};

/// Between two texts: U+001F, which JSON and HTTP leave to others.
const BETWEEN: char = '\u{1f}';
/// In the place of a text that is null.
const NOTHING: char = '\u{1e}';

/// A query for the values of some rows, whose columns are called `c1`, `c2` and so on, with its parameters.
pub(super) fn unnest<'a, R: 'a>(
    columns: impl IntoIterator<Item = &'a Column<R>>,
    rows: &[&R],
) -> (String, Vec<Value>) {
    let mut parts = Parts::default();
    for (place, column) in (1..).zip(columns) {
        parts.selected += if place == 1 { "SELECT " } else { ", " };
        parts.select(column, rows);
        let _ = write!(parts.selected, " AS c{place}");
    }
    let Parts { values, arrays, selected: mut sql } = parts;
    let _ = write!(sql, " FROM unnest({arrays}) AS r(v1");
    for number in 2..=values.len() {
        let _ = write!(sql, ", v{number}");
    }
    sql.push(')');
    (sql, values)
}

/// What a statement is made of.
#[derive(Default)]
struct Parts {
    /// Its parameters.
    values: Vec<Value>,
    /// Each as an array; the first one is unnested as `v1`.
    arrays: String,
    selected: String,
}

impl Parts {
    fn select<R>(&mut self, column: &Column<R>, rows: &[&R]) {
        let nulls = column.has_nulls;
        match column.get {
            Get::Id(get) => {
                let numbers = rows.iter().map(|row| get(row).unwrap_or(i64::MIN).into());
                self.numbers(("bigint", ArrayType::BigInt), numbers, nulls.then_some(i64::MIN));
            }
            Get::Status(get) => {
                let numbers = rows.iter().map(|row| get(row).unwrap_or(i32::MIN).into());
                self.numbers(("integer", ArrayType::Int), numbers, nulls.then_some(i32::MIN.into()));
            }
            Get::Text(get) => self.texts(rows, get),
            Get::Json(get) => {
                self.texts(rows, get);
                self.selected += "::json";
            }
            Get::Time(get) => {
                let times = rows.iter().map(|row| get(row).unwrap_or_default().into());
                let time = self.list("timestamptz", ArrayType::ChronoDateTimeUtc, times);
                match nulls {
                    true => self.select_or_null(time, rows.iter().map(|row| get(row).is_none())),
                    false => self.select_one(time),
                }
            }
            Get::Flag(get) => {
                let flags = rows.iter().map(|row| get(row).unwrap_or_default().into());
                let flag = self.list("boolean", ArrayType::Bool, flags);
                self.select_one(flag);
            }
            Get::True => self.selected += "true",
        }
    }

    /// Selects numbers, of which one may stand for null.
    fn numbers(
        &mut self,
        (kind, array_type): (&str, ArrayType),
        numbers: impl Iterator<Item = Value>,
        null: Option<i64>,
    ) {
        let number = self.list(kind, array_type, numbers);
        let _ = match null {
            Some(null) => write!(self.selected, "NULLIF(v{number}, '{null}')"),
            None => write!(self.selected, "v{number}"),
        };
    }

    fn texts<R>(&mut self, rows: &[&R], get: fn(&R) -> Option<&str>) {
        let mut joined = String::with_capacity(rows.iter().map(|row| 1 + get(row).map_or(1, str::len)).sum());
        let mut has_marks = false;
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                joined.push(BETWEEN);
            }
            match get(row) {
                Some(text) => {
                    has_marks |= text.contains([BETWEEN, NOTHING]);
                    joined.push_str(text);
                }
                None => joined.push(NOTHING),
            }
        }
        // Nothing at all is no text rather than an empty one.
        if has_marks || joined.is_empty() {
            let texts = rows.iter().map(|row| Value::from(get(row).unwrap_or_default()));
            let text = self.list("text", ArrayType::String, texts);
            return self.select_or_null(text, rows.iter().map(|row| get(row).is_none()));
        }
        let text = self.bind(joined.into());
        let _ = write!(self.arrays, "string_to_array(${text}::text, E'\\x1f', E'\\x1e')");
        self.select_one(text);
    }

    fn select_one(&mut self, value: usize) {
        let _ = write!(self.selected, "v{value}");
    }

    /// Selects a value, or null in some rows: sea-query binds no lists with nulls in them.
    fn select_or_null(&mut self, value: usize, nulls: impl Iterator<Item = bool>) {
        let is_null = self.list("boolean", ArrayType::Bool, nulls.map(Value::from));
        let _ = write!(self.selected, "CASE WHEN v{is_null} THEN NULL ELSE v{value} END");
    }

    /// Adds a list of values; returns its number.
    fn list(&mut self, kind: &str, array_type: ArrayType, values: impl Iterator<Item = Value>) -> usize {
        let list = self.bind(Value::Array(array_type, Some(Box::new(values.collect()))));
        let _ = write!(self.arrays, "${list}::{kind}[]");
        list
    }

    /// Adds a parameter, of which an array is to be made; returns its number.
    fn bind(&mut self, value: Value) -> usize {
        if !self.values.is_empty() {
            self.arrays += ", ";
        }
        self.values.push(value);
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<(i64, Option<&'static str>)>; 2] =
        [Column::new("id", Get::Id(|row| Some(row.0))), Column::or_null("text", Get::Text(|row| row.1))];

    fn sql(texts: &[Option<&'static str>]) -> (String, usize) {
        let rows: Vec<_> = texts.iter().map(|text| (1, *text)).collect();
        let (sql, values) = unnest(&COLUMNS, &rows.iter().collect::<Vec<_>>());
        (sql, values.len())
    }

    #[test]
    fn a_statement_is_the_same_for_any_number_of_rows() {
        let one = sql(&[Some("a")]);
        assert_eq!(one.1, 2);
        for texts in [&[None][..], &[Some("a"), None, Some("")], &[Some(""), Some("")]] {
            assert_eq!(sql(texts), one, "{texts:?}");
        }
    }

    #[test]
    fn texts_with_marks_and_an_empty_one_alone_are_a_list() {
        let list = sql(&[Some("")]);
        assert_eq!(list.1, 3);
        assert_eq!(sql(&[Some("a\u{1f}b"), None]), list);
        assert_eq!(sql(&[Some("\u{1e}")]), list);
    }
}
