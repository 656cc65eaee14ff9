//! The tables of NocoBase 2.2.15 that sidehook reads or writes, for a stand-alone database, and the row of
//! the `workflow` plugin: its creation time is the epoch of job ids.

use entity::{Names, Table};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr,
    sea_query::{Expr, InsertStatement, OnConflict, Query},
};

use crate::{
    nocobase,
    step::{Migration, name_of},
};

pub(crate) struct NocoBaseTables {
    names: Names,
}

impl NocoBaseTables {
    pub(crate) fn new(names: Names) -> Self {
        Self { names }
    }
}

#[async_trait::async_trait]
impl Migration for NocoBaseTables {
    fn name(&self) -> &'static str {
        name_of(file!())
    }

    async fn up(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        for definition in nocobase::TABLES {
            definition.create(transaction, &self.names).await?;
        }
        let row = workflow_plugin(&self.names, transaction.get_database_backend())?;
        transaction.execute(&row).await?;
        Ok(())
    }
}

/// Does nothing where the row is there, so that MySQL can begin again after a migration cut short.
fn workflow_plugin(names: &Names, backend: DbBackend) -> Result<InsertStatement, DbErr> {
    let now = Expr::cust(now(backend));
    let row = [
        ("createdAt", now.clone()),
        ("updatedAt", now),
        ("name", "workflow".into()),
        ("packageName", "@nocobase/plugin-workflow".into()),
        ("version", "2.2.15".into()),
        ("enabled", true.into()),
        ("installed", true.into()),
    ];
    let present = OnConflict::column(names.column("name")).do_nothing_on([names.column("id")]).to_owned();
    let (fields, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
    let mut insert = Query::insert();
    insert
        .into_table(names.table(Table::ApplicationPlugins))
        .columns(fields.into_iter().map(|field| names.column(field)))
        .values(values)
        .map_err(|err| DbErr::Migration(err.to_string()))?
        .on_conflict(present);
    Ok(insert)
}

/// The present in the precision and form of a `createdAt` column, cut rather than rounded up: an epoch of
/// ids must not lie in the future.
fn now(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "date_trunc('milliseconds', CURRENT_TIMESTAMP)",
        DbBackend::Sqlite => "strftime('%Y-%m-%d %H:%M:%f +00:00', 'now')",
        // Read in `DB_TIMEZONE`, which this crate does not know: a day back it is past in every zone.
        _ => "UTC_TIMESTAMP() - INTERVAL 1 DAY",
    }
}
