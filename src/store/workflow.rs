//! Writing workflow definitions: those of files (`sidehook import`, the demo) and of tests. A workflow that is there is
//! never changed: that is NocoBase's.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::Store;

/// A workflow version to be inserted, the current one, with counters at 0. JSON columns are texts.
#[derive(Clone, Debug)]
pub struct NewWorkflow {
    pub id: i64,
    pub key: String,
    pub title: String,
    pub description: Option<String>,
    pub is_enabled: bool,
    pub is_sync: bool,
    pub config: String,
    pub options: String,
    pub nodes: Vec<NewNode>,
}

/// A node to be inserted. JSON columns are texts.
#[derive(Clone, Debug)]
pub struct NewNode {
    pub id: i64,
    pub key: String,
    pub title: String,
    pub type_name: String,
    pub config: String,
    pub upstream_id: Option<i64>,
    pub branch_index: Option<i32>,
    pub downstream_id: Option<i64>,
}

impl Store {
    /// Whether any version of this key exists.
    pub async fn has_workflow(&self, key: &str) -> Result<bool, DbErr> {
        let mut select = Query::select();
        select
            .column(self.column("id"))
            .from(self.table(Table::Workflows))
            .and_where(Expr::col(self.column("key")).eq(key))
            .limit(1);
        Ok(self.db.query_one(&select).await?.is_some())
    }

    pub async fn insert_workflow(&self, new: &NewWorkflow, now: DateTime<Utc>) -> Result<(), DbErr> {
        let tx = self.begin().await?;
        let mut insert = Query::insert();
        insert
            .into_table(self.table(Table::Workflows))
            .columns(self.columns([
                "id",
                "createdAt",
                "updatedAt",
                "key",
                "title",
                "description",
                "enabled",
                "current",
                "sync",
                "type",
                "config",
                "options",
            ]))
            .values_panic([
                new.id.into(),
                self.codec.time(now),
                self.codec.time(now),
                Expr::val(&new.key),
                Expr::val(&new.title),
                new.description.clone().into(),
                new.is_enabled.into(),
                true.into(),
                new.is_sync.into(),
                Expr::val("webhook"),
                self.binary_json(&new.config),
                self.binary_json(&new.options),
            ]);
        tx.execute(&insert).await?;
        for node in &new.nodes {
            self.insert_node(&tx, new.id, node, now).await?;
        }
        for (table, id_field, id) in [
            (Table::WorkflowStats, "key", Expr::val(&new.key)),
            (Table::WorkflowVersionStats, "id", new.id.into()),
        ] {
            let mut insert = Query::insert();
            insert
                .into_table(self.table(table))
                .columns(self.columns([id_field, "executed", "createdAt", "updatedAt"]))
                .values_panic([id, 0.into(), self.codec.time(now), self.codec.time(now)]);
            tx.execute(&insert).await?;
        }
        tx.commit().await
    }

    async fn insert_node<C: ConnectionTrait>(
        &self,
        db: &C,
        workflow_id: i64,
        node: &NewNode,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let mut insert = Query::insert();
        insert
            .into_table(self.table(Table::FlowNodes))
            .columns(self.columns([
                "id",
                "createdAt",
                "updatedAt",
                "key",
                "title",
                "upstreamId",
                "branchIndex",
                "downstreamId",
                "type",
                "config",
                "workflowId",
            ]))
            .values_panic([
                node.id.into(),
                self.codec.time(now),
                self.codec.time(now),
                Expr::val(&node.key),
                Expr::val(&node.title),
                node.upstream_id.into(),
                node.branch_index.into(),
                node.downstream_id.into(),
                Expr::val(&node.type_name),
                self.codec.json(Some(node.config.clone())),
                workflow_id.into(),
            ]);
        db.execute(&insert).await.map(drop)
    }

    /// A text for one of the columns that are `jsonb` on PostgreSQL: `workflows.config` and `.options`.
    fn binary_json(&self, text: &str) -> Expr {
        match self.codec.backend() {
            DbBackend::Postgres => Expr::val(text).cast_as(Alias::new("jsonb")),
            _ => Expr::val(text),
        }
    }
}
