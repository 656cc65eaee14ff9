//! Taking the executions that come next, without looking for them first: several instances that do so at the same time
//! pass each other's, and no row is read twice. On PostgreSQL alone, where a lock on rows locks nothing between them; see
//! [`Store::claim_waiting`] for the others.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Expr, ExprTrait, LockBehavior, LockType, Query, UnionType, WithClause,
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::instance::Owner;
use super::lease::in_turn;
use super::{Store, own_column as column};

/// A place in the order in which executions of a workflow have their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    due_at: i64,
    execution_id: i64,
}

/// What to take.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub workflow_id: i64,
    /// Only those that come after; those before it are taken, or somebody has them locked.
    pub after: Option<Mark>,
    pub limit: usize,
}

/// How far that went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// The last that was found.
    pub last: Option<Mark>,
    /// Whether others may come after it.
    pub has_more: bool,
}

impl Store {
    /// Whether waiting executions can be taken without having been looked for.
    pub fn claims_next(&self) -> bool {
        self.codec.backend() == DbBackend::Postgres
    }

    /// Takes the waiting executions of a workflow that come next and that nobody has locked, and starts those that have
    /// yet to begin. Their ids are added to `claimed`; after an error they may have been taken or not.
    pub async fn claim_next(
        &self,
        owner: Owner,
        wanted: Wanted,
        now: DateTime<Utc>,
        claimed: &mut Vec<i64>,
    ) -> Result<Found, DbErr> {
        let tx = self.begin().await?;
        if !self.fence(&tx, owner).await? {
            return Ok(Found::default());
        }
        let marks = self.lock_next(&tx, wanted, now).await?;
        let found = Found { last: marks.last().copied(), has_more: marks.len() == wanted.limit };
        let ids: Vec<i64> = marks.iter().map(|mark| mark.execution_id).collect();
        // Nothing is waited for, so that it does not matter that others lock executions before leases.
        let (rows, of_others) = self.lock_free_executions(&tx, &ids).await?;
        let ids: Vec<i64> = ids.into_iter().filter(|id| !of_others.contains(id)).collect();
        if ids.is_empty() {
            return Ok(found);
        }
        let queueing: Vec<i64> = rows.iter().filter(|row| row.1.is_none()).map(|row| row.0).collect();
        self.give_leases(&tx, &ids, owner).await?;
        self.start_executions(&tx, &queueing, now).await?;
        claimed.extend(&ids);
        tx.commit().await?;
        Ok(found)
    }

    async fn lock_next<C: ConnectionTrait>(
        &self,
        db: &C,
        wanted: Wanted,
        now: DateTime<Utc>,
    ) -> Result<Vec<Mark>, DbErr> {
        let mut select = Query::select();
        select
            .columns(["due_at", "execution_id"].map(column))
            .from(self.table(Table::Leases))
            .cond_where(self.is_waiting(now))
            .and_where(Expr::col(column("workflow_id")).eq(wanted.workflow_id))
            .limit(wanted.limit as u64)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        in_turn(&mut select);
        if let Some(mark) = wanted.after {
            let place = ["due_at", "execution_id"].map(|name| Expr::col(column(name)));
            let after = [Expr::val(mark.due_at), Expr::val(mark.execution_id)];
            select.and_where(Expr::tuple(place).gt(Expr::tuple(after)));
        }
        let rows = db.query_all(&select).await?;
        let mark = |row: &sea_orm::QueryResult| {
            Ok(Mark { due_at: row.try_get_by_index(0)?, execution_id: row.try_get_by_index(1)? })
        };
        rows.iter().map(mark).collect()
    }

    /// The workflows of which executions wait, from one to the next by the index: a DISTINCT would read all that wait, in
    /// each instance.
    pub(super) async fn workflows_by_steps(&self, now: DateTime<Utc>) -> Result<Vec<i64>, DbErr> {
        let (steps, found) = (Alias::new("steps"), Alias::new("found"));
        let next = |condition: Expr| {
            let mut select = Query::select();
            select
                .column(column("workflow_id"))
                .from(self.table(Table::Leases))
                .cond_where(self.is_waiting(now))
                .and_where(condition)
                .order_by(column("instance_id"), sea_orm::Order::Asc)
                .order_by(column("workflow_id"), sea_orm::Order::Asc)
                .limit(1);
            Expr::SubQuery(None, Box::new(select.into()))
        };
        let before = Expr::col((steps.clone(), found.clone()));
        let mut further = Query::select();
        further
            .expr(next(Expr::col(column("workflow_id")).gt(before.clone())))
            .from(steps.clone())
            .and_where(before.clone().is_not_null());
        let mut all = Query::select();
        all.expr(next(Expr::col(column("workflow_id")).is_not_null())).union(UnionType::All, further);
        let mut cte = CommonTableExpression::new();
        cte.query(all).table_name(steps.clone()).column(found.clone());
        let mut select = Query::select();
        select
            .column(found)
            .from(steps)
            .and_where(before.is_not_null())
            .with_cte(WithClause::new().recursive(true).cte(cte).to_owned());
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// Makes leases that have been locked one's own.
    pub(super) async fn give_leases<C: ConnectionTrait>(
        &self,
        db: &C,
        executions: &[i64],
        owner: Owner,
    ) -> Result<(), DbErr> {
        let mut update = Query::update();
        update
            .table(self.table(Table::Leases))
            .value(column("instance_id"), owner.number)
            .value(column("generation"), owner.generation)
            .and_where(self.is_among(column("execution_id"), executions.iter().copied()));
        db.execute(&update).await.map(drop)
    }
}
