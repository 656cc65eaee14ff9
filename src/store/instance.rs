//! `sidehook_instances`: the running sidehooks of a database. Each has a number from 0 to 31, which its ids
//! contain, and a generation that grows whenever the number changes hands.

use std::time::Duration;

use entity::{Table, instance};
use sea_orm::sea_query::{Cond, Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult};

use super::fault::Fault;
use super::{Store, own_column as column};

/// How many instances one database can have: NocoBase's snowflakeId layout has 5 bits for them.
pub const MAX_INSTANCES: i32 = 32;

/// After so long without a sign of life an instance counts as gone.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(8);

/// Which instance holds a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub number: i32,
    pub generation: i64,
}

/// A number that has been taken.
#[derive(Clone, Copy, Debug)]
pub struct Registration {
    pub owner: Owner,
    /// Ids up to this time, in milliseconds, may have been given out under this number before.
    pub ids_used_until: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    #[error(
        "all {MAX_INSTANCES} instance numbers are in use: stop one sidehook of this database, or wait {} s \
         after one was killed",
        TIME_TO_LIVE.as_secs()
    )]
    NoneFree,
    #[error("another sidehook has taken instance number {0} over; this one has been silent for too long")]
    Fenced(i32),
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Whose leases are taken over.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    /// Those of other instances that are gone.
    pub others: bool,
    /// Those of earlier holders of the own number.
    pub own_number: bool,
}

impl Store {
    /// Takes a number that was given back, else one that nobody has had, else that of the instance that has
    /// been silent for longest: it may only have been cut off from the database. Numbers whose ids have been
    /// reserved for times to come are left alone while there are others, so that ids keep to the clock. `token`
    /// tells this process from others.
    pub async fn register_instance(&self, token: &str) -> Result<Registration, InstanceError> {
        let (now, instances) = self.instances().await?;
        let find = |number: i32| instances.iter().find(|instance| instance.id == number);
        let mut numbers: Vec<i32> = (0..MAX_INSTANCES).collect();
        numbers.sort_by_key(|number| match find(*number) {
            Some(known) if known.heartbeat_at == 0 && known.ids_used_until <= now => (0, 0),
            None => (1, 0),
            Some(known) if known.heartbeat_at == 0 => (2, known.ids_used_until),
            Some(known) => (3, known.heartbeat_at),
        });
        for number in numbers {
            let registration = match find(number) {
                None => self.insert_instance(number, token, now).await?,
                Some(known) if is_gone(known, now) => self.reuse_instance(known, token, now).await?,
                Some(_) => None,
            };
            if let Some(registration) = registration {
                return Ok(registration);
            }
        }
        Err(InstanceError::NoneFree)
    }

    async fn insert_instance(
        &self,
        number: i32,
        token: &str,
        now: i64,
    ) -> Result<Option<Registration>, InstanceError> {
        let mut insert = Query::insert();
        insert
            .into_table(self.table(Table::Instances))
            .columns(["id", "generation", "token", "heartbeat_at", "ids_used_until"].map(column))
            .values_panic([number.into(), 1_i64.into(), Expr::val(token), now.into(), 0_i64.into()]);
        match self.db.execute(&insert).await {
            Ok(_) => Ok(Some(Registration { owner: Owner { number, generation: 1 }, ids_used_until: 0 })),
            Err(err) if Fault::of(&err) == Fault::Duplicate => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    async fn reuse_instance(
        &self,
        known: &instance::Model,
        token: &str,
        now: i64,
    ) -> Result<Option<Registration>, InstanceError> {
        let generation = known.generation + 1;
        let mut update = Query::update();
        update
            .table(self.table(Table::Instances))
            .value(column("generation"), generation)
            .value(column("token"), token)
            .value(column("heartbeat_at"), now)
            .cond_where(is_unchanged(known));
        let tx = self.begin().await?;
        // Waits for what the one before is in the middle of.
        let is_there = self.lock_against_fences(&tx, known, None).await?;
        let taken = is_there && tx.execute(&update).await?.rows_affected() == 1;
        tx.commit().await?;
        Ok(taken.then_some(Registration {
            owner: Owner { number: known.id, generation },
            ids_used_until: known.ids_used_until,
        }))
    }

    /// Tells the others that this instance lives, and up to when it will have given out ids.
    pub async fn heartbeat(&self, owner: Owner, ids_used_until: i64) -> Result<(), InstanceError> {
        let mut update = Query::update();
        update
            .table(self.table(Table::Instances))
            .value(column("heartbeat_at"), self.codec.now_ms())
            .value(column("ids_used_until"), ids_used_until)
            .and_where(Expr::col(column("id")).eq(owner.number))
            .and_where(Expr::col(column("generation")).eq(owner.generation));
        match self.db.execute(&update).await?.rows_affected() {
            0 => Err(InstanceError::Fenced(owner.number)),
            _ => Ok(()),
        }
    }

    /// Gives the number back, so that the next instance can take it at once. `ids_used_until` is known when no
    /// more ids are going to be given out; otherwise all that were reserved count as used.
    pub async fn release_instance(&self, owner: Owner, ids_used_until: Option<i64>) -> Result<(), DbErr> {
        let mut update = Query::update();
        update.table(self.table(Table::Instances)).value(column("heartbeat_at"), 0_i64);
        if let Some(used) = ids_used_until {
            update.value(column("ids_used_until"), used);
        }
        update
            .and_where(Expr::col(column("id")).eq(owner.number))
            .and_where(Expr::col(column("generation")).eq(owner.generation));
        self.db.execute(&update).await.map(drop)
    }

    /// Makes sure inside a transaction that this instance still owns its number. The row stays locked
    /// until the end of the transaction, so a takeover waits for it. See also [`Store::fences_late`].
    pub(super) async fn fence<C: ConnectionTrait>(&self, db: &C, owner: Owner) -> Result<bool, DbErr> {
        Ok(db.query_one(&self.fencing(owner)).await?.is_some())
    }

    /// The question that finds a row where [`Store::fence`] is passed.
    pub(super) fn fencing(&self, owner: Owner) -> SelectStatement {
        let mut select = Query::select();
        select
            .column(column("generation"))
            .from(self.table(Table::Instances))
            .and_where(Expr::col(column("id")).eq(owner.number))
            .and_where(Expr::col(column("generation")).eq(owner.generation));
        match self.codec.backend() {
            // Lets signs of life through, and nobody who takes the row for update: PostgreSQL's table of row locks.
            DbBackend::Postgres => select.lock(LockType::KeyShare),
            DbBackend::MySql => select.lock_shared(),
            _ => &mut select,
        };
        select
    }

    /// Whether the transaction of a node is fenced at its end instead of its beginning. It may take long, and where
    /// every lock on the instance's row keeps signs of life waiting (InnoDB has no lock on a part of a row) others
    /// would take this instance for gone. A number that has changed hands meanwhile is noticed all the same: a read
    /// that locks sees what is committed, whatever the isolation of its transaction.
    pub(super) fn fences_late(&self) -> bool {
        self.codec.backend() == DbBackend::MySql
    }

    /// Takes over leases that are left. The executions are added to `taken`. After an error they may belong to `owner` or
    /// not: the answer to COMMIT gets lost with the connection.
    pub async fn take_over(&self, owner: Owner, whose: Whose, taken: &mut Vec<i64>) -> Result<(), DbErr> {
        if !whose.others && !whose.own_number {
            return Ok(());
        }
        let holders = self.holders_to_check(owner, whose).await?;
        if holders.is_empty() {
            return Ok(());
        }
        let (now, instances) = self.instances().await?;
        for known in instances {
            let is_own_number = known.id == owner.number;
            if !holders.contains(&known.id) || !(is_own_number || is_gone(&known, now)) {
                continue;
            }
            let tx = self.begin().await?;
            if is_own_number || self.retire(&tx, &known).await? {
                taken.extend(self.take_leases_over(&tx, known.id, owner).await?);
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Raises the generation of an instance that is gone, which refuses all its later writes. `false` when it
    /// has given a sign of life after all, or is in the middle of a transaction: waiting for that would silence
    /// the one who waits.
    async fn retire<C: ConnectionTrait>(&self, db: &C, known: &instance::Model) -> Result<bool, DbErr> {
        if !self.lock_against_fences(db, known, Some(LockBehavior::SkipLocked)).await? {
            return Ok(false);
        }
        let mut update = Query::update();
        update
            .table(self.table(Table::Instances))
            .value(column("generation"), known.generation + 1)
            .value(column("heartbeat_at"), 0_i64)
            .cond_where(is_unchanged(known));
        Ok(db.execute(&update).await?.rows_affected() == 1)
    }

    /// Locks the row of an instance, so that no transaction of it passes the fence before this one ends, and none that
    /// has is still open. An UPDATE alone would not do on PostgreSQL: it lets [`Store::fence`] through. `false` when
    /// the row has changed, or is locked and that is to be skipped.
    async fn lock_against_fences<C: ConnectionTrait>(
        &self,
        db: &C,
        known: &instance::Model,
        behavior: Option<LockBehavior>,
    ) -> Result<bool, DbErr> {
        // There a transaction that is going to write is alone.
        if self.codec.backend() == DbBackend::Sqlite {
            return Ok(true);
        }
        let mut lock = Query::select();
        lock.column(column("id")).from(self.table(Table::Instances)).cond_where(is_unchanged(known));
        match behavior {
            Some(behavior) => lock.lock_with_behavior(LockType::Update, behavior),
            None => lock.lock(LockType::Update),
        };
        Ok(db.query_one(&lock).await?.is_some())
    }

    /// The database's clock and all instances it has ever seen.
    pub(super) async fn instances(&self) -> Result<(i64, Vec<instance::Model>), DbErr> {
        let mut clock = Query::select();
        clock.expr(self.codec.now_ms());
        let row = self.db.query_one(&clock).await?;
        let now = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        let mut select = Query::select();
        select
            .columns(["id", "generation", "token", "heartbeat_at", "ids_used_until"].map(column))
            .from(self.table(Table::Instances))
            .order_by(column("id"), sea_orm::Order::Asc);
        let rows = self.db.query_all(&select).await?;
        let instances: Result<_, DbErr> =
            rows.iter().map(|row| instance::Model::from_query_result(row, "")).collect();
        Ok((now, instances?))
    }
}

/// That nobody has taken the number of an instance, and it has given no sign of life, since it was read.
fn is_unchanged(known: &instance::Model) -> Cond {
    Cond::all()
        .add(Expr::col(column("id")).eq(known.id))
        .add(Expr::col(column("generation")).eq(known.generation))
        .add(Expr::col(column("heartbeat_at")).eq(known.heartbeat_at))
}

/// Whether an instance has been silent for too long.
pub(super) fn is_gone(instance: &instance::Model, now: i64) -> bool {
    now - instance.heartbeat_at > TIME_TO_LIVE.as_millis() as i64
}
