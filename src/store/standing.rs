//! How everything stands in the database: what waits, what runs, and who is alive. For those who watch.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::instance::is_gone;
use super::{Store, own_column as column};

/// How everything stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Executions that wait for a worker, or have waited for a time that has come.
    pub waiting: u64,
    /// The oldest execution of these.
    pub oldest: Option<i64>,
    /// Executions that belong to an instance.
    pub leased: u64,
    /// The instances that have given a sign of life lately.
    pub instances: Vec<Alive>,
}

/// An instance that is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alive {
    pub number: i32,
    /// How often the number was taken.
    pub generation: i64,
    /// How long ago its last sign of life is, in milliseconds.
    pub silent_ms: i64,
}

impl Store {
    pub async fn standing(&self, now: DateTime<Utc>) -> Result<Standing, DbErr> {
        let (clock, instances) = self.instances().await?;
        let alive = instances.iter().filter(|known| !is_gone(known, clock)).map(|known| Alive {
            number: known.id,
            generation: known.generation,
            silent_ms: Ord::max(clock - known.heartbeat_at, 0),
        });
        let count = || Func::count(Expr::col(column("execution_id")));
        let mut waiting = Query::select();
        waiting
            .expr_as(count(), Alias::new("count"))
            .expr_as(Expr::col(column("execution_id")).min(), Alias::new("oldest"))
            .from(self.table(Table::Leases))
            .cond_where(self.is_waiting(now));
        let mut leased = Query::select();
        leased
            .expr_as(count(), Alias::new("count"))
            .from(self.table(Table::Leases))
            .and_where(Expr::col(column("instance_id")).is_not_null());
        let row = self.db.query_one(&waiting).await?;
        let (count, oldest): (i64, Option<i64>) = match row {
            Some(row) => (row.try_get_by_index(0)?, row.try_get_by_index(1)?),
            None => (0, None),
        };
        let row = self.db.query_one(&leased).await?;
        let held: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        Ok(Standing {
            waiting: count.unsigned_abs(),
            oldest,
            leased: held.unsigned_abs(),
            instances: alive.collect(),
        })
    }
}
