//! Inserting many rows into one of NocoBase's tables. A table's columns are one list, which says how each gets its
//! value; both forms of the statement are made of it. On PostgreSQL that is one parameter per column
//! ([`unnest`](super::unnest)), so that the statement is the same for any number of rows and is prepared once; elsewhere
//! rows of values.

use entity::Table;
use sea_orm::sea_query::Query;
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

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
        if rows.is_empty() {
            return Ok(());
        }
        if self.codec.backend() == DbBackend::Postgres {
            let names = columns.iter().map(|column| quoted(&self.names.column_name(column.field)));
            let names = names.collect::<Vec<_>>().join(", ");
            let into = format!("{} ({names})", self.quoted_table(table));
            return db.execute_raw(unnest(&into, columns, rows)).await.map(drop);
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
