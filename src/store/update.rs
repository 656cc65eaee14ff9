//! Changing many rows of one table, each in its own way. What changes is one list of columns. That is one statement for all
//! rows on PostgreSQL ([`unnest`](super::unnest)), MySQL and MariaDB ([`json_table`](super::json_table)). SQLite, to which
//! nothing travels, has one for each.

use entity::Table;
use sea_orm::sea_query::{Expr, ExprTrait, Query, UpdateStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Store;
use super::column::{Column, Get, portions};
use super::json_table::json_table;
use super::unnest::unnest;

/// A column of rows that change.
pub(super) struct Change<R> {
    column: Column<R>,
    when: When<R>,
}

/// When the column of a row gets the value.
enum When<R> {
    /// Never: it says which row that is.
    Key,
    Always,
    /// Where there is a value.
    Given,
    /// Where this flag is set.
    If(Column<R>),
}

impl<R> Change<R> {
    /// The column that says which row that is. It comes first.
    pub(super) const fn key(field: &'static str, get: Get<R>) -> Self {
        Self { column: Column::new(field, get), when: When::Key }
    }

    /// A column that all rows change, some of them perhaps to null.
    pub(super) const fn always(field: &'static str, get: Get<R>) -> Self {
        Self { column: Column::or_null(field, get), when: When::Always }
    }

    /// A column that those rows change that have a value for it.
    pub(super) const fn given(field: &'static str, get: Get<R>) -> Self {
        Self { column: Column::or_null(field, get), when: When::Given }
    }

    /// A column that some rows change, perhaps to null.
    pub(super) const fn where_set(field: &'static str, is_set: fn(&R) -> Option<bool>, get: Get<R>) -> Self {
        let flag = Column::new(field, Get::Flag(is_set));
        Self { column: Column::or_null(field, get), when: When::If(flag) }
    }

    fn changes(&self, row: &R) -> bool {
        match &self.when {
            When::Key => false,
            When::Always => true,
            When::Given => !self.column.is_null(row),
            When::If(flag) => matches!(flag.get, Get::Flag(is_set) if is_set(row) == Some(true)),
        }
    }
}

impl Store {
    /// Changes rows that are there; one that is not is passed over.
    pub(super) async fn update_rows<R, C: ConnectionTrait>(
        &self,
        db: &C,
        table: Table,
        changes: &[Change<R>],
        rows: &[&R],
    ) -> Result<(), DbErr> {
        let columns: Vec<&Column<R>> = changes.iter().map(|change| &change.column).collect();
        for portion in portions(&columns, rows) {
            // A single one has less to do with a statement of its own.
            if portion.len() > 1 && self.codec.backend() != DbBackend::Sqlite {
                db.execute_raw(self.update_of_all(table, changes, portion)).await?;
                continue;
            }
            for row in portion {
                db.execute(&self.update_of(table, changes, row)).await?;
            }
        }
        Ok(())
    }

    /// A statement that changes one row.
    pub(super) fn update_of<R>(&self, table: Table, changes: &[Change<R>], row: &R) -> UpdateStatement {
        let mut update = Query::update();
        update.table(self.table(table));
        for change in changes {
            let name = self.column(change.column.field);
            if matches!(change.when, When::Key) {
                update.and_where(Expr::col(name).eq(change.column.value(row, self)));
            } else if change.changes(row) {
                update.value(name, change.column.value(row, self));
            }
        }
        update
    }

    fn update_of_all<R>(&self, table: Table, changes: &[Change<R>], rows: &[&R]) -> Statement {
        let (mut set, mut which) = (Vec::new(), String::new());
        let mut columns: Vec<&Column<R>> = changes.iter().map(|change| &change.column).collect();
        let is_postgres = self.codec.backend() == DbBackend::Postgres;
        for (place, change) in (1..).zip(changes) {
            let name = self.quoted_column(&change.column).to_string();
            // MySQL has two tables in the statement, PostgreSQL one that changes.
            let target = if is_postgres { name.clone() } else { format!("t.{name}") };
            match &change.when {
                When::Key => which = format!("t.{name} = u.c{place}"),
                When::Always => set.push(format!("{target} = u.c{place}")),
                When::Given => set.push(format!("{target} = COALESCE(u.c{place}, t.{name})")),
                When::If(flag) => {
                    columns.push(flag);
                    let is_set = columns.len();
                    set.push(format!("{target} = CASE WHEN u.c{is_set} THEN u.c{place} ELSE t.{name} END"));
                }
            }
        }
        let (table, set) = (self.quoted_table(table), set.join(", "));
        if is_postgres {
            let (query, values) = unnest(columns, rows);
            let sql = format!("UPDATE {table} AS t SET {set} FROM ({query}) AS u WHERE {which}");
            return Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        }
        let (query, value) = json_table(self, columns, rows);
        // From the rows that change to the table, whatever the server makes of their numbers.
        let sql = format!(
            "UPDATE {query} AS u STRAIGHT_JOIN {table} AS t FORCE INDEX (PRIMARY) ON {which} SET {set}"
        );
        Statement::from_sql_and_values(DbBackend::MySql, sql, [value.into()])
    }
}
