//! `sidehook_settings`: settings that are made while sidehook runs. They win over the environment, on every instance.

use entity::Table;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::{Store, own_column as column};

impl Store {
    /// The value of a setting, where it was made.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, DbErr> {
        let mut select = Query::select();
        select
            .column(column("value"))
            .from(self.table(Table::Settings))
            .and_where(Expr::col(column("name")).eq(name));
        let row = self.db.query_one(&select).await?;
        row.map(|row| row.try_get_by_index(0)).transpose()
    }

    /// Makes a setting; without a value it is as the environment says again.
    pub async fn set(&self, name: &str, value: Option<&str>) -> Result<(), DbErr> {
        match value {
            Some(value) => {
                let again = OnConflict::column(column("name")).update_column(column("value")).to_owned();
                let mut insert = Query::insert();
                insert
                    .into_table(self.table(Table::Settings))
                    .columns(["name", "value"].map(column))
                    .values_panic([name.into(), value.into()])
                    .on_conflict(again);
                self.db.execute(&insert).await?;
            }
            None => {
                let mut delete = Query::delete();
                delete.from_table(self.table(Table::Settings)).and_where(Expr::col(column("name")).eq(name));
                self.db.execute(&delete).await?;
            }
        }
        Ok(())
    }
}
