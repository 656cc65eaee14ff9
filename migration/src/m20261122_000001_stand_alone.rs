//! Claims a database: the record of this migration says that its NocoBase-style tables are sidehook's. It
//! comes before the tables, because MySQL commits each of them by itself: a process that dies half-way would
//! otherwise find its own tables at the next start and take them for NocoBase's.

use sea_orm::{DatabaseTransaction, DbErr};

use crate::step::{Migration, name_of};

pub(crate) struct StandAlone;

#[async_trait::async_trait]
impl Migration for StandAlone {
    fn name(&self) -> &'static str {
        name_of(file!())
    }

    async fn up(&self, _transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        Ok(())
    }
}
