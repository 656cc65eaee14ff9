//! The columns of rows that are inserted: each says what a row has for it.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;

use super::Store;

/// A column, with what a row of type `R` has for it.
pub(super) struct Column<R> {
    pub field: &'static str,
    pub get: Get<R>,
    /// Whether rows may have none.
    pub has_nulls: bool,
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

    /// Whether a row has nothing for it.
    pub(super) fn is_null(&self, row: &R) -> bool {
        match self.get {
            Get::Id(get) => get(row).is_none(),
            Get::Status(get) => get(row).is_none(),
            Get::Text(get) | Get::Json(get) => get(row).is_none(),
            Get::Time(get) => get(row).is_none(),
            Get::Flag(get) => get(row).is_none(),
            Get::True => false,
        }
    }

    /// About how many bytes its value takes in a statement.
    fn bytes(&self, row: &R) -> usize {
        match self.get {
            Get::Text(get) | Get::Json(get) => get(row).map_or(4, str::len),
            _ => 8,
        }
    }

    /// The value in a list of values.
    pub(super) fn value(&self, row: &R, store: &Store) -> Expr {
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
}

/// About so many bytes travel in one statement, or one row that is larger. The smallest default of `max_allowed_packet` is
/// 16 MB, and within JSON a text may take twice its bytes.
const STATEMENT_BYTES: usize = 4 << 20;

/// Rows in portions, each for a statement of its own.
pub(super) fn portions<'a, 'r, R>(columns: &[&Column<R>], rows: &'a [&'r R]) -> Vec<&'a [&'r R]> {
    let (mut portions, mut rest) = (Vec::new(), rows);
    let bytes = |row: &R| columns.iter().map(|column| column.bytes(row)).sum::<usize>();
    while !rest.is_empty() {
        let mut sum = 0;
        let fitting = rest.iter().take_while(|row| {
            sum += bytes(row);
            sum <= STATEMENT_BYTES
        });
        let (portion, others) = rest.split_at(fitting.count().max(1));
        portions.push(portion);
        rest = others;
    }
    portions
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_bounded_by_bytes() {
        let column = Column::new("result", Get::Text(|row: &String| Some(row)));
        let texts: Vec<String> = [1, 3, 1, 9, 2, 2].iter().map(|size| "x".repeat(size << 20)).collect();
        let rows: Vec<&String> = texts.iter().collect();
        let sizes = |rows: &[&String]| -> Vec<usize> {
            portions(&[&column], rows).iter().map(|portion| portion.len()).collect()
        };
        assert_eq!(sizes(&rows), [2, 1, 1, 2]);
        assert_eq!(sizes(&[]), [0; 0]);
    }
}
