//! Tables as data, and how they are created. Everything is created only where it is missing, so that MySQL,
//! which commits table by table, can begin again after a migration cut short.

use entity::{Names, Table};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr,
    sea_query::{self, IndexCreateStatement, TableCreateStatement},
};

use crate::{column::Column, present::has_index};

/// A table as it is created.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) table: Table,
    pub(crate) columns: &'static [Column],
    pub(crate) indexes: &'static [Index],
}

/// An index over fields, beside those that primary keys and unique columns bring along.
#[derive(Debug)]
pub(crate) struct Index {
    fields: &'static [&'static str],
    unique: bool,
}

pub(crate) const fn index(fields: &'static [&'static str]) -> Index {
    Index { fields, unique: false }
}

pub(crate) const fn unique_index(fields: &'static [&'static str]) -> Index {
    Index { fields, unique: true }
}

impl Definition {
    /// Creates the table and its indexes where they are missing.
    pub(crate) async fn create(&self, transaction: &DatabaseTransaction, names: &Names) -> Result<(), DbErr> {
        let (table, indexes) = self.statements(names, transaction.get_database_backend());
        transaction.execute(&table).await?;
        for index in indexes {
            transaction.execute(&index).await?;
        }
        Ok(())
    }

    /// Creates the indexes alone, for a table that is there already.
    pub(crate) async fn create_indexes(
        &self,
        transaction: &DatabaseTransaction,
        names: &Names,
    ) -> Result<(), DbErr> {
        for index in self.indexes {
            let (table, name) = (names.table_name(self.table), names.index_name(self.table, index.fields));
            if !has_index(transaction, &table, &name).await? {
                let mut statement = self.index_statement(index, names);
                // MySQL knows no `IF NOT EXISTS` here.
                if transaction.get_database_backend() == DbBackend::MySql {
                    statement = self.bare_index_statement(index, names);
                }
                transaction.execute(&statement).await?;
            }
        }
        Ok(())
    }

    fn statements(
        &self,
        names: &Names,
        backend: DbBackend,
    ) -> (TableCreateStatement, Vec<IndexCreateStatement>) {
        let mut table = self.table_statement(names, backend);
        let mut indexes: Vec<_> =
            self.indexes.iter().map(|index| self.index_statement(index, names)).collect();
        // MySQL has no `CREATE INDEX IF NOT EXISTS`; there the indexes come and go with their table.
        if backend == DbBackend::MySql {
            for mut index in indexes.drain(..) {
                table.index(&mut index);
            }
        }
        (table, indexes)
    }

    fn table_statement(&self, names: &Names, backend: DbBackend) -> TableCreateStatement {
        let mut table = sea_query::Table::create();
        table.table(names.table(self.table)).if_not_exists();
        for column in self.columns {
            table.col(column.build(names, backend));
        }
        table
    }

    fn index_statement(&self, index: &Index, names: &Names) -> IndexCreateStatement {
        self.bare_index_statement(index, names).if_not_exists().to_owned()
    }

    fn bare_index_statement(&self, index: &Index, names: &Names) -> IndexCreateStatement {
        let mut statement = sea_query::Index::create();
        statement.name(names.index_name(self.table, index.fields)).table(names.table(self.table));
        for field in index.fields {
            statement.col(names.column(field));
        }
        if index.unique {
            statement.unique();
        }
        statement
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{DefaultValue, Kind, column};

    const NOTES: Definition = Definition {
        table: Table::WorkflowStats,
        columns: &[
            column("id", Kind::BigInt).primary_key(),
            column("noteKey", Kind::Varchar(255)).unique(),
            column("hidden", Kind::Boolean).default(DefaultValue::False),
            column("options", Kind::JsonBinary).default(DefaultValue::NoTimeout),
            column("readAt", Kind::Time).not_null(),
        ],
        indexes: &[unique_index(&["hidden", "readAt"])],
    };

    fn sql(names: &Names, backend: DbBackend) -> Vec<String> {
        let (table, indexes) = NOTES.statements(names, backend);
        let indexes = indexes.iter().map(|index| backend.build(index).sql);
        std::iter::once(backend.build(&table).sql).chain(indexes).collect()
    }

    #[test]
    fn postgres_statements_name_the_schema() {
        let names = Names::new(Some("nbs".into()), "nb_", true);
        assert_eq!(
            sql(&names, DbBackend::Postgres),
            [
                r#"CREATE TABLE IF NOT EXISTS "nbs"."nb_workflow_stats" ( "id" bigint PRIMARY KEY, "#
                    .to_owned()
                    + r#""note_key" varchar(255) UNIQUE, "hidden" boolean DEFAULT FALSE, "#
                    + r#""options" jsonb DEFAULT E'"{\\"timeout\\":0}"', "read_at" timestamptz NOT NULL )"#,
                r#"CREATE UNIQUE INDEX IF NOT EXISTS "nb_workflow_stats_hidden_read_at" "#.to_owned()
                    + r#"ON "nbs"."nb_workflow_stats" ("hidden", "read_at")"#,
            ]
        );
    }

    #[test]
    fn mysql_makes_indexes_with_the_table_and_gives_json_no_default() {
        assert_eq!(
            sql(&Names::default(), DbBackend::MySql),
            ["CREATE TABLE IF NOT EXISTS `workflowStats` ( `id` bigint PRIMARY KEY, ".to_owned()
                + "`noteKey` varchar(255) UNIQUE, `hidden` tinyint(1) DEFAULT FALSE, `options` json, "
                + "`readAt` datetime(3) NOT NULL, "
                + "UNIQUE KEY `workflow_stats_hidden_read_at` (`hidden`, `readAt`) )"]
        );
    }

    #[test]
    fn sqlite_keeps_the_type_names_that_nocobase_sends() {
        assert_eq!(
            sql(&Names::default(), DbBackend::Sqlite),
            [
                r#"CREATE TABLE IF NOT EXISTS "workflowStats" ( "id" INTEGER PRIMARY KEY, "#.to_owned()
                    + r#""noteKey" VARCHAR(255) UNIQUE, "hidden" TINYINT(1) DEFAULT 0, "#
                    + r#""options" JSON DEFAULT '{"timeout":0}', "readAt" DATETIME NOT NULL )"#,
                r#"CREATE UNIQUE INDEX IF NOT EXISTS "workflow_stats_hidden_read_at" "#.to_owned()
                    + r#"ON "workflowStats" ("hidden", "readAt")"#,
            ]
        );
    }
}
