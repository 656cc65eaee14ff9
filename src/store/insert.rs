//! Inserting many rows into one table. A table's columns are one list, which says how each gets its value; both forms of
//! the statement are made of it. On PostgreSQL that is one parameter per column ([`unnest`](super::unnest)), on MySQL and
//! MariaDB one for all ([`json_table`](super::json_table)), so that the statement is the same for any number of rows and is
//! prepared once; on SQLite rows of values.

use entity::Table;
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Store;
use super::column::portions;
pub(super) use super::column::{Column, Get, fields};
use super::json_table::json_table;
use super::text::listed;
use super::unnest::unnest;

/// Where rows go.
struct Target<'a, R> {
    table: Table,
    columns: &'a [Column<R>],
    /// Whether rows are replaced that have the key, which is the first column, already.
    replaces: bool,
}

impl<R> Target<'_, R> {
    /// The key and the other columns, where rows are replaced.
    fn replaced(&self) -> Option<(&Column<R>, &[Column<R>])> {
        self.columns.split_first().filter(|_| self.replaces)
    }
}

impl Store {
    pub(super) async fn insert_rows<R, C: ConnectionTrait>(
        &self,
        db: &C,
        table: Table,
        columns: &[Column<R>],
        rows: &[&R],
    ) -> Result<(), DbErr> {
        self.put_rows(db, &Target { table, columns, replaces: false }, rows).await
    }

    /// Like [`Store::insert_rows`]. The first column is the key: rows that have it already are replaced.
    pub(super) async fn replace_rows<R, C: ConnectionTrait>(
        &self,
        db: &C,
        table: Table,
        columns: &[Column<R>],
        rows: &[&R],
    ) -> Result<(), DbErr> {
        self.put_rows(db, &Target { table, columns, replaces: true }, rows).await
    }

    async fn put_rows<R, C: ConnectionTrait>(
        &self,
        db: &C,
        target: &Target<'_, R>,
        rows: &[&R],
    ) -> Result<(), DbErr> {
        for portion in portions(&target.columns.iter().collect::<Vec<_>>(), rows) {
            self.put_portion(db, target, portion).await?;
        }
        Ok(())
    }

    async fn put_portion<R, C: ConnectionTrait>(
        &self,
        db: &C,
        target: &Target<'_, R>,
        rows: &[&R],
    ) -> Result<(), DbErr> {
        // A single row has less to do with a statement of its own.
        let is_postgres = self.codec.backend() == DbBackend::Postgres;
        let is_single = rows.len() == 1 && (target.replaces || !is_postgres);
        if is_single || self.codec.backend() == DbBackend::Sqlite {
            return self.put_values(db, target, rows).await;
        }
        let Target { table, columns, .. } = *target;
        let names = listed(columns.iter().map(|column| self.quoted_column(column)));
        let (query, values) = match is_postgres {
            true => unnest(columns, rows),
            false => {
                let (query, value) = json_table(self, columns, rows);
                let all = listed((1..=columns.len()).map(|place| format!("u.c{place}")));
                (format!("SELECT {all} FROM {query} AS u"), vec![value.into()])
            }
        };
        let mut sql = format!("INSERT INTO {} ({names}) {query}", self.quoted_table(table));
        if let Some((key, others)) = target.replaced() {
            let set =
                (2..).zip(others).map(|(place, column)| match (is_postgres, self.quoted_column(column)) {
                    (true, name) => format!("{name} = EXCLUDED.{name}"),
                    (false, name) => format!("{name} = u.c{place}"),
                });
            match is_postgres {
                true => sql += &format!(" ON CONFLICT ({}) DO UPDATE SET ", self.quoted_column(key)),
                false => sql += " ON DUPLICATE KEY UPDATE ",
            }
            sql += &listed(set);
        }
        let statement = Statement::from_sql_and_values(self.codec.backend(), sql, values);
        db.execute_raw(statement).await.map(drop)
    }

    async fn put_values<R, C: ConnectionTrait>(
        &self,
        db: &C,
        target: &Target<'_, R>,
        rows: &[&R],
    ) -> Result<(), DbErr> {
        let Target { table, columns, .. } = *target;
        for rows in rows.chunks(self.codec.bind_limit() / columns.len()) {
            let mut insert = Query::insert();
            let names = columns.iter().map(|column| self.column(column.field));
            insert.into_table(self.table(table)).columns(names);
            for row in rows {
                insert.values_panic(columns.iter().map(|column| column.value(row, self)));
            }
            if let Some((key, others)) = target.replaced() {
                let others = others.iter().map(|column| self.column(column.field));
                let again = OnConflict::column(self.column(key.field)).update_columns(others).to_owned();
                insert.on_conflict(again);
            }
            db.execute(&insert).await?;
        }
        Ok(())
    }
}
