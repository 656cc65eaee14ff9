//! `sidehook_settings`: settings that are made while sidehook runs. They win over the environment, on every instance. What
//! instances and sidehook's plugin tell each other is there, too.

use entity::Table;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::{Store, own_column as column};

/// Where sidehook's plugin says that it keeps NocoBase away from what is run here.
const GUARD: &str = "guard";

impl Store {
    /// What sidehook's plugin says while it keeps NocoBase from what instances have announced: another text each time.
    pub async fn guard(&self) -> Result<Option<String>, DbErr> {
        self.setting(GUARD).await
    }

    /// Tells sidehook's plugin what the instance of a number takes from NocoBase's queue; without a text nothing any more.
    pub async fn announce(&self, number: i32, text: Option<&str>) -> Result<(), DbErr> {
        self.set(&format!("queued:{number}"), text).await
    }

    /// Takes back what an instance has told, unless its number has changed hands since.
    pub async fn withdraw(&self, number: i32, text: &str) -> Result<(), DbErr> {
        let mut delete = Query::delete();
        delete
            .from_table(self.table(Table::Settings))
            .and_where(Expr::col(column("name")).eq(format!("queued:{number}")))
            .and_where(Expr::col(column("value")).eq(text));
        self.db.execute(&delete).await.map(drop)
    }

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
