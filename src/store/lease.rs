//! `sidehook_leases`: which execution belongs to which instance. A lease without an instance waits for a
//! worker.

use entity::status::execution::STARTED;
use entity::{Table, lease};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::Store;
use super::instance::Owner;

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

    /// The oldest executions that wait for a worker, at most `limit`.
    pub async fn waiting_executions(&self, limit: u64) -> Result<Vec<i64>, DbErr> {
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

    /// Takes a waiting execution: `true` when this owner got it.
    pub async fn claim_lease(&self, execution: i64, owner: Owner) -> Result<bool, DbErr> {
        let mut update = Query::update();
        update
            .table(self.table(Table::Leases))
            .value(column("instance_id"), owner.number)
            .value(column("generation"), owner.generation)
            .and_where(Expr::col(column("execution_id")).eq(execution))
            .and_where(Expr::col(column("instance_id")).is_null());
        Ok(self.db.execute(&update).await?.rows_affected() == 1)
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
            .columns(["execution_id", "instance_id", "generation"].map(column))
            .from(self.table(Table::Leases))
            .cond_where(of_them.clone())
            .order_by(column("execution_id"), sea_orm::Order::Asc);
        let rows = db.query_all(&select).await?;
        let leases: Result<Vec<lease::Model>, DbErr> =
            rows.iter().map(|row| lease::Model::from_query_result(row, "")).collect();
        let mut update = Query::update();
        update
            .table(self.table(Table::Leases))
            .value(column("instance_id"), owner.number)
            .value(column("generation"), owner.generation)
            .cond_where(of_them);
        db.execute(&update).await?;
        Ok(leases?.into_iter().map(|lease| lease.execution_id).collect())
    }

    /// Removes leases of executions that have ended or been deleted in the meantime.
    pub async fn drop_lease_unless_open(&self, execution: i64) -> Result<(), DbErr> {
        let found = self.find_execution(execution).await?;
        if found.is_some_and(|row| row.status.is_none_or(|status| status == STARTED)) {
            return Ok(());
        }
        self.delete_leases(&self.db, &[execution]).await
    }
}
