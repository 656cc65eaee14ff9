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
