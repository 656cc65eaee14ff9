//! Inserting many rows into one table. A table's columns are one list, which says how each gets its value; both forms of
//! the statement are made of it. On PostgreSQL that is one parameter per column ([`unnest`](super::unnest)), so that the
//! statement is the same for any number of rows and is prepared once; elsewhere rows of values.

use entity::Table;
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Store;
pub(super) use super::column::{Column, Get, fields};
use super::unnest::unnest;

impl Store {
    pub(super) async fn insert_rows<R, C: ConnectionTrait>(
        &self,
        db: &C,
        table: Table,
        columns: &[Column<R>],
        rows: &[&R],
    ) -> Result<(), DbErr> {
        self.put_rows(db, table, columns, rows, None).await
    }

    /// Like [`Store::insert_rows`]. The first column is the key: rows that have it already are replaced.
    pub(super) async fn replace_rows<R, C: ConnectionTrait>(
        &self,
        db: &C,
        table: Table,
        columns: &[Column<R>],
        rows: &[&R],
    ) -> Result<(), DbErr> {
        self.put_rows(db, table, columns, rows, columns.split_first()).await
    }

    async fn put_rows<R, C: ConnectionTrait>(
        &self,
        db: &C,
        table: Table,
        columns: &[Column<R>],
        rows: &[&R],
        replaced: Option<(&Column<R>, &[Column<R>])>,
    ) -> Result<(), DbErr> {
        if rows.is_empty() {
            return Ok(());
        }
        // A single row that may be there already has less to do with a statement of its own.
        let is_single = replaced.is_some() && rows.len() == 1;
        if self.codec.backend() == DbBackend::Postgres && !is_single {
            let names: Vec<String> = columns.iter().map(|column| self.quoted_column(column)).collect();
            let (query, values) = unnest(columns, rows);
            let mut sql = format!("INSERT INTO {} ({}) {query}", self.quoted_table(table), names.join(", "));
            if let Some((key, others)) = replaced {
                let set = others.iter().map(|column| self.quoted_column(column));
                let set: Vec<String> = set.map(|name| format!("{name} = EXCLUDED.{name}")).collect();
                sql +=
                    &format!(" ON CONFLICT ({}) DO UPDATE SET {}", self.quoted_column(key), set.join(", "));
            }
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            return db.execute_raw(statement).await.map(drop);
        }
        for rows in rows.chunks(self.codec.bind_limit() / columns.len()) {
            let mut insert = Query::insert();
            let names = columns.iter().map(|column| self.column(column.field));
            insert.into_table(self.table(table)).columns(names);
            for row in rows {
                insert.values_panic(columns.iter().map(|column| column.value(row, self)));
            }
            if let Some((key, others)) = replaced {
                let others = others.iter().map(|column| self.column(column.field));
                let again = OnConflict::column(self.column(key.field)).update_columns(others).to_owned();
                insert.on_conflict(again);
            }
            db.execute(&insert).await?;
        }
        Ok(())
    }

    pub(super) fn quoted_table(&self, table: Table) -> String {
        let name = quoted(&self.names.table_name(table));
        match self.names.schema() {
            Some(schema) => format!("{}.{name}", quoted(schema)),
            None => name,
        }
    }

    pub(super) fn quoted_column<R>(&self, column: &Column<R>) -> String {
        quoted(&self.names.column_name(column.field))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
