//! `sidehook_leases`: which execution belongs to which instance. A lease without an instance waits for a
//! worker.

use chrono::{DateTime, Utc};
use entity::Table;
use entity::status::execution::STARTED;
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::Store;
use super::instance::Owner;

/// Executions that were taken from those that wait.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Oldest first.
    pub executions: Vec<i64>,
    /// Whether more may be waiting.
    pub has_more: bool,
}

fn column(name: &str) -> Alias {
    Alias::new(name)
}

impl Store {
    /// Writes leases of this owner, or of nobody.
    pub(super) async fn insert_leases<C: ConnectionTrait>(
        &self,
        db: &C,
        executions: &[i64],
        owner: Option<Owner>,
    ) -> Result<(), DbErr> {
        for executions in executions.chunks(self.codec.bind_limit() / 3) {
            let mut insert = Query::insert();
            insert.into_table(self.table(Table::Leases)).columns([
                column("execution_id"),
                column("instance_id"),
                column("generation"),
            ]);
            for id in executions {
                insert.values_panic([
                    (*id).into(),
                    owner.map(|owner| owner.number).into(),
                    owner.map(|owner| owner.generation).into(),
                ]);
            }
            let update = [column("instance_id"), column("generation")];
            insert.on_conflict(OnConflict::column(column("execution_id")).update_columns(update).to_owned());
            db.execute(&insert).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_leases<C: ConnectionTrait>(
        &self,
        db: &C,
        executions: &[i64],
    ) -> Result<(), DbErr> {
        for executions in executions.chunks(self.codec.bind_limit()) {
            let mut delete = Query::delete();
            delete
                .from_table(self.table(Table::Leases))
                .and_where(Expr::col(column("execution_id")).is_in(executions.iter().copied()));
            db.execute(&delete).await?;
        }
        Ok(())
    }

    /// Takes the oldest executions that wait for a worker, at most `limit`, and starts them. Returns their
    /// ids; empty as well when another instance was faster with all of them.
    pub async fn claim_waiting(
        &self,
        owner: Owner,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Claimed, DbErr> {
        let waiting = self.waiting_executions(limit).await?;
        if waiting.is_empty() {
            return Ok(Claimed::default());
        }
        let tx = self.begin().await?;
        if !self.fence(&tx, owner).await? {
            return Ok(Claimed::default());
        }
        let found = self.lock_executions(&tx, &waiting).await?;
        let queueing: Vec<i64> =
            found.iter().filter(|(_, status)| status.is_none()).map(|(id, _)| *id).collect();
        self.start_executions(&tx, &queueing, now).await?;
        self.insert_leases(&tx, &queueing, Some(owner)).await?;
        // What has ended in the meantime, or was deleted, waits for nobody.
        let is_open =
            |id: &i64| found.iter().any(|(found, status)| found == id && status.is_none_or(|s| s == STARTED));
        let gone: Vec<i64> = waiting.iter().copied().filter(|id| !is_open(id)).collect();
        self.delete_leases(&tx, &gone).await?;
        tx.commit().await?;
        Ok(Claimed { executions: queueing, has_more: waiting.len() as u64 == limit })
    }

    async fn waiting_executions(&self, limit: u64) -> Result<Vec<i64>, DbErr> {
        let mut select = Query::select();
        select
            .column(column("execution_id"))
            .from(self.table(Table::Leases))
            .and_where(Expr::col(column("instance_id")).is_null())
            .order_by(column("execution_id"), sea_orm::Order::Asc)
            .limit(limit);
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// The instances that hold leases, each with its generation.
    pub(super) async fn lease_holders(&self) -> Result<Vec<Owner>, DbErr> {
        let mut select = Query::select();
        select
            .distinct()
            .columns(["instance_id", "generation"].map(column))
            .from(self.table(Table::Leases))
            .and_where(Expr::col(column("instance_id")).is_not_null());
        let rows = self.db.query_all(&select).await?;
        let holder = |row: &sea_orm::QueryResult| {
            let generation: Option<i64> = row.try_get_by_index(1)?;
            Ok(Owner { number: row.try_get_by_index(0)?, generation: generation.unwrap_or_default() })
        };
        rows.iter().map(holder).collect()
    }

    /// Takes over what belongs to an instance that is gone: all leases of another number, or those of an
    /// earlier generation of the own one. Returns the executions, oldest first.
    pub(super) async fn take_leases_over<C: ConnectionTrait>(
        &self,
        db: &C,
        from: i32,
        owner: Owner,
    ) -> Result<Vec<i64>, DbErr> {
        let mut of_them = Cond::all().add(Expr::col(column("instance_id")).eq(from));
        if from == owner.number {
            of_them = of_them.add(Expr::col(column("generation")).ne(owner.generation));
        }
        let mut select = Query::select();
        select
            .column(column("execution_id"))
            .from(self.table(Table::Leases))
            .cond_where(of_them.clone())
            .order_by(column("execution_id"), sea_orm::Order::Asc);
        let rows = db.query_all(&select).await?;
        let mut update = Query::update();
        update
            .table(self.table(Table::Leases))
            .value(column("instance_id"), owner.number)
            .value(column("generation"), owner.generation)
            .cond_where(of_them);
        db.execute(&update).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// Removes the leases of executions that need no worker any more.
    pub async fn drop_leases(&self, executions: &[i64]) -> Result<(), DbErr> {
        self.delete_leases(&self.db, executions).await
    }
}
