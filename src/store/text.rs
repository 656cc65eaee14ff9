//! What is written into the statements that sea-query does not build: names in quotes, and lists.

use std::borrow::Cow;
use std::fmt::{Display, Formatter, Write as _};

use entity::Table;
use sea_orm::DbBackend;

use super::Store;
use super::column::Column;

impl Store {
    /// The name of a table, with its schema.
    pub(super) fn quoted_table(&self, table: Table) -> String {
        let name = self.in_quotes(self.names.table_name(table));
        match self.names.schema() {
            Some(schema) => format!("{}.{name}", self.in_quotes(schema)),
            None => name.to_string(),
        }
    }

    pub(super) fn quoted_column<R>(&self, column: &Column<R>) -> Quoted<'_> {
        self.in_quotes(self.names.column_name(column.field))
    }

    fn in_quotes<'a>(&self, name: impl Into<Cow<'a, str>>) -> Quoted<'a> {
        let mark = if self.codec.backend() == DbBackend::MySql { '`' } else { '"' };
        Quoted { name: name.into(), mark }
    }
}

/// A name, which is written in quotes.
pub(super) struct Quoted<'a> {
    name: Cow<'a, str>,
    mark: char,
}

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { name, mark } = self;
        f.write_char(*mark)?;
        for (index, part) in name.split(*mark).enumerate() {
            if index > 0 {
                write!(f, "{mark}{mark}")?;
            }
            f.write_str(part)?;
        }
        f.write_char(*mark)
    }
}

/// Parts with commas between them.
pub(super) fn listed<T: Display>(parts: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for part in parts {
        let _ = write!(text, "{}{part}", if text.is_empty() { "" } else { ", " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_in_a_name_is_doubled() {
        let quoted = |name: &'static str, mark| Quoted { name: name.into(), mark }.to_string();
        assert_eq!(quoted("createdAt", '"'), r#""createdAt""#);
        assert_eq!(quoted(r#"a"b""#, '"'), r#""a""b""""#);
        assert_eq!(quoted("a`b\"", '`'), "`a``b\"`");
    }

    #[test]
    fn a_list_has_commas_between_its_parts() {
        assert_eq!(listed([1, 2, 3]), "1, 2, 3");
        assert_eq!(listed::<i32>([]), "");
    }
}
