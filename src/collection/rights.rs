//! Whether a user of a database may do with the table of a collection what a node is going to do. It is asked with
//! EXPLAIN: the database looks at tables, columns and rights, and does nothing.

use sea_orm::sea_query::{Alias, Expr, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, StatementBuilder};

use super::catalog::Collections;
use super::shape::Collection;
use crate::store::fault::{Fault, describe};
use crate::store::rights::Right;

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// There is no such table.
    Table,
    /// Such as a column that is not there, in the database's own words.
    Other(String),
    Rights(Vec<Right>),
}

impl Collections {
    /// What keeps this user from doing so to the table of a collection. SQLite has no rights.
    pub async fn lack(&self, collection: &Collection, rights: &[Right]) -> Result<Option<Lack>, DbErr> {
        let mut missing = Vec::new();
        for right in rights {
            let Err(err) = self.explain(collection, *right).await else { continue };
            match Fault::of(&err) {
                Fault::MissingTable => return Ok(Some(Lack::Table)),
                Fault::MissingRight => missing.push(*right),
                fault if fault.is_passing() => return Err(err),
                // Views cannot be explained, or not be written to, for reasons of their own.
                _ if *right == Right::Select && !describe(&err).contains("EXPLAIN") => {
                    return Ok(Some(Lack::Other(describe(&err))));
                }
                _ => {}
            }
        }
        Ok((!missing.is_empty()).then_some(Lack::Rights(missing)))
    }

    /// The table of a collection as GRANT takes it.
    pub fn quoted_table(&self, collection: &Collection) -> String {
        let table = &collection.table;
        let quote = |name: &str| match self.codec().backend() {
            DbBackend::MySql => format!("`{}`", name.replace('`', "``")),
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        };
        match &table.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
            None => quote(&table.name),
        }
    }

    /// The user that statements run as, as GRANT takes it.
    pub async fn user(&self) -> Result<String, DbErr> {
        self.store.user().await
    }

    async fn explain(&self, collection: &Collection, right: Right) -> Result<(), DbErr> {
        let backend = self.codec().backend();
        let never = || Expr::cust("1 = 0");
        let columns = || collection.fields().map(|field| Alias::new(&*field.column));
        let first = || columns().next().unwrap_or_else(|| Alias::new("id"));
        let table = collection.table.table_ref();
        let statement = match right {
            Right::Select => {
                let mut select = Query::select();
                select.columns(columns()).from(table).and_where(never());
                StatementBuilder::build(&select, &backend)
            }
            _ if backend == DbBackend::Sqlite => return Ok(()),
            Right::Insert => {
                let mut insert = Query::insert();
                insert.into_table(table).columns([first()]).values_panic([Expr::cust("DEFAULT")]);
                StatementBuilder::build(&insert, &backend)
            }
            Right::Update => {
                let mut update = Query::update();
                update.table(table).value(first(), Expr::cust("DEFAULT")).and_where(never());
                StatementBuilder::build(&update, &backend)
            }
            Right::Delete => {
                let mut delete = Query::delete();
                delete.from_table(table).and_where(never());
                StatementBuilder::build(&delete, &backend)
            }
        };
        let statement = Statement::from_string(backend, format!("EXPLAIN {}", statement.sql));
        self.store.db.query_all_raw(statement).await.map(drop)
    }
}
