//! `sidehook_leases`: which execution belongs to which instance, and where its run stands. A lease without an
//! instance waits for a worker or for a time. As long as there is a lease, the execution is sidehook's.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;
use entity::{Table, lease};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, IntoCondition, Query, UpdateStatement};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, JoinType, Order};

use super::insert::{Column, Get};
use super::instance::{Owner, TIME_TO_LIVE, Whose};
use super::{Store, own_column as column};

/// What a lease says about a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    pub workflow_id: i64,
    /// JSON: where the run stands. `None`: it has yet to begin, and whoever takes it over starts it anew.
    pub position: Option<String>,
    /// From when another instance may take a lease that belongs to nobody, in milliseconds since 1970.
    pub due_at: i64,
}

/// A row that is written.
struct Row<'a> {
    id: i64,
    owner: Option<Owner>,
    lease: &'a Lease,
}

fn columns<'a>() -> [Column<Row<'a>>; 6] {
    [
        Column::new("execution_id", Get::Id(|row| Some(row.id))),
        Column::or_null("instance_id", Get::Status(|row| Some(row.owner?.number))),
        Column::or_null("generation", Get::Id(|row| Some(row.owner?.generation))),
        Column::new("workflow_id", Get::Id(|row| Some(row.lease.workflow_id))),
        Column::or_null("position", Get::Text(|row| row.lease.position.as_deref())),
        Column::new("due_at", Get::Id(|row| Some(row.lease.due_at))),
    ]
}

/// At most so many executions that were ended elsewhere are woken at a time.
const WAKES: u64 = 500;

/// Which waiting executions were found to be ended elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// How many.
    pub executions: u64,
    /// Where the next look begins: after this execution, or with the first one.
    pub after: i64,
}

impl Store {
    /// Writes leases of this owner, or of nobody.
    pub(super) async fn write_leases<C: ConnectionTrait>(
        &self,
        db: &C,
        leases: &[(i64, &Lease)],
        owner: Option<Owner>,
    ) -> Result<(), DbErr> {
        let rows: Vec<_> = leases.iter().map(|(id, lease)| Row { id: *id, owner, lease }).collect();
        self.replace_rows(db, Table::Leases, &columns(), &rows.iter().collect::<Vec<_>>()).await
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
                .and_where(self.is_among(column("execution_id"), executions.iter().copied()));
            db.execute(&delete).await?;
        }
        Ok(())
    }

    /// Makes waiting executions due that somebody else has ended or deleted, so that what is kept of them goes. Looks at some
    /// of those that wait, at most `looked_at`, from the one after `after` on: in a few looks at all of them.
    pub async fn wake_ended(&self, now: DateTime<Utc>, after: i64, looked_at: u64) -> Result<Woken, DbErr> {
        let until = self.waiting_until(after, looked_at).await?;
        let mut woken = Woken { after: until.unwrap_or_default(), ..Woken::default() };
        let (own, execution) = (Alias::new("l"), Alias::new("e"));
        let status = Expr::col((execution.clone(), self.column("status")));
        let mut select = Query::select();
        select
            .expr_as(Expr::col((own.clone(), column("execution_id"))), column("execution_id"))
            .from_as(self.table(Table::Leases), own.clone())
            .join_as(
                JoinType::LeftJoin,
                self.table(Table::Executions),
                execution.clone(),
                Expr::col((execution, self.column("id"))).equals((own.clone(), column("execution_id"))),
            )
            .and_where(Expr::col((own.clone(), column("instance_id"))).is_null())
            .and_where(Expr::col((own.clone(), column("execution_id"))).gt(after))
            .and_where(Expr::col((own.clone(), column("execution_id"))).lte(until.unwrap_or(i64::MAX)))
            .and_where(Expr::col((own, column("due_at"))).gt(now.timestamp_millis()))
            .cond_where(Cond::any().add(status.clone().is_null()).add(status.ne(STARTED)))
            .limit(WAKES);
        let rows = self.db.query_all(&select).await?;
        let ended: Vec<i64> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        if ended.is_empty() {
            return Ok(woken);
        }
        if ended.len() as u64 == WAKES {
            // There may be more of them.
            woken.after = after;
        }
        let mut update = Query::update();
        update
            .table(self.table(Table::Leases))
            .value(column("due_at"), 0)
            .and_where(Expr::col(column("instance_id")).is_null())
            .and_where(Expr::col(column("execution_id")).is_in(ended));
        woken.executions = self.db.execute(&update).await?.rows_affected();
        Ok(woken)
    }

    /// The last one of those waiting executions that are looked at together, the one after `after` first; none where these
    /// are all that are left.
    async fn waiting_until(&self, after: i64, looked_at: u64) -> Result<Option<i64>, DbErr> {
        let mut select = Query::select();
        select
            .column(column("execution_id"))
            .from(self.table(Table::Leases))
            .and_where(Expr::col(column("instance_id")).is_null())
            .and_where(Expr::col(column("execution_id")).gt(after))
            .order_by(column("execution_id"), Order::Asc)
            .offset(looked_at.saturating_sub(1))
            .limit(1);
        let row = self.db.query_one(&select).await?;
        row.map(|row| row.try_get_by_index(0)).transpose()
    }

    pub(super) fn is_waiting(&self, now: DateTime<Utc>) -> Cond {
        Cond::all()
            .add(Expr::col(column("instance_id")).is_null())
            .add(Expr::col(column("due_at")).lte(now.timestamp_millis()))
    }

    /// The leases of some executions, by execution id.
    pub async fn find_leases(&self, executions: &[i64]) -> Result<Vec<lease::Model>, DbErr> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = Query::select();
        select
            .columns(
                ["execution_id", "instance_id", "generation", "workflow_id", "position", "due_at"]
                    .map(column),
            )
            .from(self.table(Table::Leases))
            .and_where(self.is_among(column("execution_id"), executions.iter().copied()));
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| lease::Model::from_query_result(row, "")).collect()
    }

    /// Those of some executions whose leases belong to an owner.
    pub(super) async fn owned_among<C: ConnectionTrait>(
        &self,
        db: &C,
        owner: Owner,
        executions: &HashSet<i64>,
    ) -> Result<HashSet<i64>, DbErr> {
        let mut select = Query::select();
        select
            .column(column("execution_id"))
            .from(self.table(Table::Leases))
            .and_where(Expr::col(column("instance_id")).eq(owner.number))
            .and_where(Expr::col(column("generation")).eq(owner.generation))
            .and_where(self.is_among(column("execution_id"), executions.iter().copied()));
        let rows = db.query_all(&select).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// The numbers of instances under which leases are held that somebody has to take over: of instances that may be gone,
    /// and of earlier holders of the own number. One question for each such number by the index, instead of reading all
    /// leases in each instance.
    pub(super) async fn holders_to_check(&self, owner: Owner, whose: Whose) -> Result<Vec<i32>, DbErr> {
        let number = Expr::col((Alias::new("i"), column("id")));
        let is_other = Cond::any()
            .add(number.clone().ne(owner.number))
            .add(Expr::col(column("generation")).ne(owner.generation))
            .add(Expr::col(column("generation")).is_null());
        let mut held = Query::select();
        held.column(column("execution_id"))
            .from(self.table(Table::Leases))
            .and_where(Expr::col(column("instance_id")).eq(number.clone()))
            .cond_where(is_other)
            .order_by(column("instance_id"), sea_orm::Order::Asc)
            .order_by(column("workflow_id"), sea_orm::Order::Asc)
            .limit(1);
        let mut suspects = Cond::any();
        if whose.others {
            let silent_since = self.codec.now_ms().sub(TIME_TO_LIVE.as_millis() as i64);
            let is_silent = Expr::col((Alias::new("i"), column("heartbeat_at"))).lt(silent_since);
            suspects = suspects.add(number.clone().ne(owner.number).and(is_silent));
        }
        if whose.own_number {
            suspects = suspects.add(number.clone().eq(owner.number));
        }
        let mut select = Query::select();
        select
            .expr(number)
            .from_as(self.table(Table::Instances), Alias::new("i"))
            .cond_where(suspects)
            .and_where(Expr::SubQuery(None, Box::new(held.into())).is_not_null());
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
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
        db.execute(&self.giving_leases(of_them, owner)).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// What makes leases an owner's.
    pub(super) fn giving_leases(&self, which: impl IntoCondition, owner: Owner) -> UpdateStatement {
        let mut update = Query::update();
        update
            .table(self.table(Table::Leases))
            .value(column("instance_id"), owner.number)
            .value(column("generation"), owner.generation)
            .cond_where(which);
        update
    }
}
