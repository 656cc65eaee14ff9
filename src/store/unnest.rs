//! Rows as a table in a statement of PostgreSQL: one parameter for each column, whatever their number. Texts go as one text
//! with marks between them, which is far less work than a list of texts; where one of them holds a mark they are a list.

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
    for column in columns {
        let nulls = column.has_nulls;
        let selected = match column.get {
            Get::Id(get) => {
                let numbers = rows.iter().map(|row| get(row).unwrap_or(i64::MIN).into());
                parts.number(("bigint", ArrayType::BigInt), numbers, nulls.then_some(i64::MIN))
            }
            Get::Status(get) => {
                let numbers = rows.iter().map(|row| get(row).unwrap_or(i32::MIN).into());
                parts.number(("integer", ArrayType::Int), numbers, nulls.then_some(i32::MIN.into()))
            }
            Get::Text(get) => parts.texts(rows, get),
            Get::Json(get) => format!("{}::json", parts.texts(rows, get)),
            Get::Time(get) => {
                let times = rows.iter().map(|row| get(row).unwrap_or_default().into());
                let times = parts.list("timestamptz", ArrayType::ChronoDateTimeUtc, times);
                match nulls {
                    true => parts.or_null(&times, rows.iter().map(|row| get(row).is_none())),
                    false => times,
                }
            }
            Get::Flag(get) => {
                let flags = rows.iter().map(|row| get(row).unwrap_or_default().into());
                parts.list("boolean", ArrayType::Bool, flags)
            }
            Get::True => "true".to_owned(),
        };
        parts.selected.push(format!("{selected} AS c{}", parts.selected.len() + 1));
    }
    let Parts { values, arrays, selected } = parts;
    let aliases: Vec<String> = (1..=arrays.len()).map(|place| format!("v{place}")).collect();
    let sql = format!(
        "SELECT {} FROM unnest({}) AS r({})",
        selected.join(", "),
        arrays.join(", "),
        aliases.join(", "),
    );
    (sql, values)
}

/// What a statement is made of.
#[derive(Default)]
struct Parts {
    /// Its parameters.
    values: Vec<Value>,
    /// Each as an array; the first one is unnested as `v1`.
    arrays: Vec<String>,
    selected: Vec<String>,
}

impl Parts {
    /// Adds a list of values; returns the name of one.
    fn list(&mut self, kind: &str, array_type: ArrayType, values: impl Iterator<Item = Value>) -> String {
        self.values.push(Value::Array(array_type, Some(Box::new(values.collect()))));
        self.arrays.push(format!("${}::{kind}[]", self.values.len()));
        format!("v{}", self.values.len())
    }

    /// Adds numbers, of which one may stand for null.
    fn number(
        &mut self,
        (kind, array_type): (&str, ArrayType),
        numbers: impl Iterator<Item = Value>,
        null: Option<i64>,
    ) -> String {
        let number = self.list(kind, array_type, numbers);
        null.map_or_else(|| number.clone(), |null| format!("NULLIF({number}, '{null}')"))
    }

    /// Adds texts.
    fn texts<R>(&mut self, rows: &[&R], get: fn(&R) -> Option<&str>) -> String {
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
            return self.or_null(&text, rows.iter().map(|row| get(row).is_none()));
        }
        self.values.push(joined.into());
        self.arrays.push(format!("string_to_array(${}::text, E'\\x1f', E'\\x1e')", self.values.len()));
        format!("v{}", self.values.len())
    }

    /// A value, or null in some rows: sea-query binds no lists with nulls in them.
    fn or_null(&mut self, value: &str, nulls: impl Iterator<Item = bool>) -> String {
        let is_null = self.list("boolean", ArrayType::Bool, nulls.map(Value::from));
        format!("CASE WHEN {is_null} THEN NULL ELSE {value} END")
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
