//! Taking the executions that come next, without looking for them first: several instances that do so at the same time
//! pass each other's, and no row is taken twice. SQLite has one writer at a time, so that nobody else is there to pass.
//! Only leases are taken here, for as short a time as can be: as long as that takes, others have to pass them. What has been
//! taken is begun with afterwards.

mod at_once;

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::extension::mysql::{IndexHintScope, MySqlSelectStatementExt};
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Cond, Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement,
    UnionType, WithClause, WithQuery,
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};

use super::fault::Fault;
use super::instance::Owner;
use super::{Store, own_column as column};

/// The columns of the index by which executions have their turns.
const TURNS: [&str; 4] = ["instance_id", "workflow_id", "due_at", "execution_id"];

/// A place in the order in which executions of a workflow have their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    due_at: i64,
    execution_id: i64,
}

impl Mark {
    /// From a row of these two columns.
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self { due_at: row.try_get_by_index(0)?, execution_id: row.try_get_by_index(1)? })
    }
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
    /// Takes the waiting executions of a workflow that come next and whose leases nobody has locked. Their ids are added to
    /// `claimed`; after an error they may have been taken or not.
    pub async fn claim_next(
        &self,
        owner: Owner,
        wanted: Wanted,
        now: DateTime<Utc>,
        claimed: &mut Vec<i64>,
    ) -> Result<Found, DbErr> {
        let claiming = match self.codec.backend() {
            DbBackend::Postgres => self.claim_at_once(owner, wanted, now, claimed).await,
            _ => self.try_to_claim_next(owner, wanted, now, claimed).await,
        };
        match claiming {
            // Whoever wins a deadlock has some of them. The others are still there.
            Err(err) if Fault::of(&err) == Fault::Race => {
                claimed.clear();
                Ok(Found::default())
            }
            outcome => outcome,
        }
    }

    async fn try_to_claim_next(
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
        if marks.is_empty() {
            return Ok(found);
        }
        let ids: Vec<i64> = marks.iter().map(|mark| mark.execution_id).collect();
        let which = self.is_among(column("execution_id"), ids.iter().copied());
        tx.execute(&self.giving_leases(which, owner)).await?;
        claimed.extend(ids);
        tx.commit().await?;
        Ok(found)
    }

    async fn lock_next<C: ConnectionTrait>(
        &self,
        db: &C,
        wanted: Wanted,
        now: DateTime<Utc>,
    ) -> Result<Vec<Mark>, DbErr> {
        let rows = db.query_all(&self.next(wanted, now)).await?;
        rows.iter().map(Mark::read).collect()
    }

    /// Locks the leases whose turn it is, and passes those that somebody else has locked.
    fn next(&self, wanted: Wanted, now: DateTime<Utc>) -> SelectStatement {
        let mut select = Query::select();
        select
            .columns(["due_at", "execution_id"].map(column))
            .from(self.table(Table::Leases))
            .cond_where(self.is_waiting(now))
            .and_where(Expr::col(column("workflow_id")).eq(wanted.workflow_id))
            .limit(wanted.limit as u64);
        if let Some(mark) = wanted.after {
            select.cond_where(self.is_after(mark));
        }
        self.in_turn(&mut select);
        if self.codec.backend() != DbBackend::Sqlite {
            select.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
        select
    }

    /// Whether a lease has its turn after that place. MySQL looks by the index for the longer form only.
    fn is_after(&self, mark: Mark) -> Cond {
        let [due_at, execution_id] = ["due_at", "execution_id"].map(|name| Expr::col(column(name)));
        if self.codec.backend() == DbBackend::MySql {
            let same_time = due_at.clone().eq(mark.due_at).and(execution_id.gt(mark.execution_id));
            return Cond::any().add(due_at.gt(mark.due_at)).add(same_time);
        }
        let after = [Expr::val(mark.due_at), Expr::val(mark.execution_id)];
        Cond::all().add(Expr::tuple([due_at, execution_id]).gt(Expr::tuple(after)))
    }

    /// Orders waiting executions of a workflow by whose turn comes first, along the index: what is sorted is locked as a
    /// whole. PostgreSQL sees that the index has this order only where the columns are named that are the same for all;
    /// MariaDB only where they are not. Both go by what they last knew of the number of rows, which may have been none.
    fn in_turn(&self, select: &mut SelectStatement) {
        let is_mysql = self.codec.backend() == DbBackend::MySql;
        for name in TURNS.into_iter().skip(if is_mysql { 2 } else { 0 }) {
            select.order_by(column(name), sea_orm::Order::Asc);
        }
        if is_mysql {
            let index = self.names.index_name(Table::Leases, &TURNS);
            select.force_index(Alias::new(index), IndexHintScope::All);
        }
    }

    /// The workflows of which executions wait for a worker, or have waited for a time that has come. However many wait,
    /// some rows of the index are read for each workflow.
    pub async fn workflows_with_backlog(&self, now: DateTime<Utc>) -> Result<Vec<i64>, DbErr> {
        let rows = match self.codec.backend() {
            DbBackend::MySql => self.db.query_all(&self.workflows_by_groups(now)).await?,
            _ => self.db.query_all(&self.workflows_by_steps(now)).await?,
        };
        rows.iter().map(|row| Ok(row.try_get_by_index::<Option<i64>>(0)?.unwrap_or_default())).collect()
    }

    /// The first of each group: InnoDB passes the others ("Loose Index Scan"). Both columns have to be named for that.
    fn workflows_by_groups(&self, now: DateTime<Utc>) -> SelectStatement {
        let first = Expr::col(column("due_at")).min();
        let mut select = Query::select();
        select
            .column(column("workflow_id"))
            .from(self.table(Table::Leases))
            .and_where(Expr::col(column("instance_id")).is_null())
            .group_by_columns(["instance_id", "workflow_id"].map(column))
            .and_having(first.lte(now.timestamp_millis()));
        select
    }

    /// From one workflow to the next by the index: a DISTINCT would read all that wait, in each instance.
    fn workflows_by_steps(&self, now: DateTime<Utc>) -> WithQuery {
        let (steps, found) = (Alias::new("steps"), Alias::new("found"));
        let first = |condition: Cond| {
            let mut select = Query::select();
            select
                .column(column("workflow_id"))
                .from(self.table(Table::Leases))
                .and_where(Expr::col(column("instance_id")).is_null())
                .cond_where(condition)
                .order_by(column("instance_id"), sea_orm::Order::Asc)
                .order_by(column("workflow_id"), sea_orm::Order::Asc)
                .limit(1);
            Expr::SubQuery(None, Box::new(select.into()))
        };
        let workflow = Expr::col(column("workflow_id"));
        let before = Expr::col((steps.clone(), found.clone()));
        let next = first(Cond::all().add(workflow.clone().gt(before.clone())));
        let mut further = Query::select();
        further.expr(next).from(steps.clone()).and_where(before.clone().is_not_null());
        let mut all = Query::select();
        all.expr(first(Cond::all().add(workflow.clone().is_not_null()))).union(UnionType::All, further);
        let mut cte = CommonTableExpression::new();
        cte.query(all).table_name(steps.clone()).column(found.clone());
        let is_due = Expr::col(column("due_at")).lte(now.timestamp_millis());
        let due = first(Cond::all().add(workflow.eq(before.clone())).add(is_due));
        let mut select = Query::select();
        select.column(found).from(steps).and_where(before.is_not_null()).and_where(due.is_not_null());
        select.with(WithClause::new().recursive(true).cte(cte).to_owned())
    }

    /// Starts those of some executions that have yet to begin, and returns their ids. What somebody else has locked is left
    /// as it is, and not waited for: it is about to be ended.
    pub async fn start_queueing(&self, executions: &[i64], now: DateTime<Utc>) -> Result<Vec<i64>, DbErr> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        if self.codec.backend() == DbBackend::Postgres {
            return self.start_at_once(executions, now).await;
        }
        match self.try_to_start(executions, now).await {
            // Whoever wins a deadlock has changed some of them. The others are still there.
            Err(err) if Fault::of(&err) == Fault::Race => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    async fn try_to_start(&self, executions: &[i64], now: DateTime<Utc>) -> Result<Vec<i64>, DbErr> {
        let tx = self.begin().await?;
        let locked = self.lock_free_executions(&tx, executions).await?;
        let queueing: Vec<i64> = locked.into_iter().filter(|row| row.1.is_none()).map(|row| row.0).collect();
        self.start_executions(&tx, &queueing, now).await?;
        tx.commit().await?;
        Ok(queueing)
    }
}
