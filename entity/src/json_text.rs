//! JSON columns as the text NocoBase wrote. sea-orm's own `Json` would pass through jsonb on PostgreSQL,
//! which reorders keys, rewrites numbers and refuses U+0000.

use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable};

/// The text of one JSON value, as stored; `Option<JsonText>` for a column that may be NULL.
///
/// Reading accepts what the three databases give for a JSON column: text (PostgreSQL: select the column
/// as `::text`; MySQL, whose JSON is a type of its own: cast it to `char`), and the integers and reals that SQLite makes of JSON numbers, because its
/// `JSON` columns have numeric affinity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText(pub String);

impl TryGetable for JsonText {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let text = String::try_get_by(row, index);
        match text {
            Err(TryGetError::DbErr(err)) => number_from_sqlite(row, index).map_err(|_| err.into()),
            other => other.map(JsonText),
        }
    }
}

fn number_from_sqlite<I: ColIdx>(row: &QueryResult, index: I) -> Result<JsonText, TryGetError> {
    if row.try_as_sqlite_row().is_none() {
        return Err(DbErr::Type("not a JSON text".into()).into());
    }
    if let Ok(integer) = i64::try_get_by(row, index) {
        return Ok(JsonText(integer.to_string()));
    }
    f64::try_get_by(row, index).map(|real| JsonText(number_text(real)))
}

/// A number as `JSON.stringify` writes it: `1`, `1e+21`, `null` for what is not finite.
pub fn number_text(number: f64) -> String {
    let mut text = String::new();
    write_number(&mut text, number);
    text
}

/// Adds a number to a text, as [`number_text`] writes it.
pub fn write_number(text: &mut String, number: f64) {
    let mut buffer = ryu_js::Buffer::new();
    text.push_str(match number {
        _ if !number.is_finite() => "null",
        0.0 => "0",
        _ => buffer.format_finite(number),
    });
}

#[cfg(test)]
mod tests {
    use super::number_text;

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        let cases = [
            (1.0, "1"),
            (-0.0, "0"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::NAN, "null"),
            (9007199254740993.0, "9007199254740992"),
        ];
        for (number, text) in cases {
            assert_eq!(number_text(number), text);
        }
    }
}
