//! The counters `workflowStats` and `workflowVersionStats`. NocoBase makes a version read-only once it has
//! been executed, so they are part of the contract.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, OnConflict, Query, UpdateStatement, Value};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::Store;

/// How many executions a batch has inserted, by workflow key and by version. Ordered, because these are
/// hot rows and every transaction must lock them in the same order.
#[derive(Debug, Default)]
pub(super) struct Counts {
    by_key: BTreeMap<String, i32>,
    by_version: BTreeMap<i64, i32>,
}

impl Counts {
    /// How many counters change.
    pub(super) fn len(&self) -> usize {
        self.by_key.len() + self.by_version.len()
    }

    pub(super) fn add(&mut self, key: &str, version: i64) {
        *self.by_key.entry(key.to_owned()).or_default() += 1;
        *self.by_version.entry(version).or_default() += 1;
    }
}

impl Store {
    /// The statements that add the counts to rows that are there.
    pub(super) fn additions(&self, counts: &Counts, now: DateTime<Utc>) -> Vec<Statement> {
        let by_key = counts
            .by_key
            .iter()
            .map(|(key, count)| self.addition(Table::WorkflowStats, "key", key.as_str().into(), *count, now));
        let by_version = counts.by_version.iter().map(|(version, count)| {
            self.addition(Table::WorkflowVersionStats, "id", (*version).into(), *count, now)
        });
        by_key.chain(by_version).map(|update| self.codec.backend().build(&update)).collect()
    }

    fn addition(
        &self,
        table: Table,
        id_field: &str,
        id: Value,
        count: i32,
        now: DateTime<Utc>,
    ) -> UpdateStatement {
        let executed = self.column("executed");
        let mut update = Query::update();
        update
            .table(self.table(table))
            .value(executed.clone(), Expr::col(executed).add(count))
            .value(self.column("updatedAt"), self.codec.time(now))
            .and_where(Expr::col(self.column(id_field)).eq(id));
        update
    }

    /// Adds the counts; a row that is missing is made.
    pub(super) async fn count<C: ConnectionTrait>(
        &self,
        db: &C,
        counts: &Counts,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        for (key, count) in &counts.by_key {
            self.add(db, Table::WorkflowStats, "key", key.as_str().into(), *count, now).await?;
        }
        for (version, count) in &counts.by_version {
            self.add(db, Table::WorkflowVersionStats, "id", (*version).into(), *count, now).await?;
        }
        Ok(())
    }

    async fn add<C: ConnectionTrait>(
        &self,
        db: &C,
        table: Table,
        id_field: &str,
        id: Value,
        count: i32,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let update = self.addition(table, id_field, id.clone(), count, now);
        if db.execute(&update).await?.rows_affected() > 0 {
            return Ok(());
        }
        let executed = self.column("executed");
        let id_column: Alias = self.column(id_field);
        let total = Expr::col((Alias::new(self.names.table_name(table)), executed.clone())).add(count);
        let mut insert = Query::insert();
        insert
            .into_table(self.table(table))
            .columns([
                id_column.clone(),
                executed.clone(),
                self.column("createdAt"),
                self.column("updatedAt"),
            ])
            .values_panic([Expr::val(id), count.into(), self.codec.time(now), self.codec.time(now)])
            .on_conflict(OnConflict::column(id_column).value(executed, total).to_owned());
        db.execute(&insert).await.map(drop)
    }
}
