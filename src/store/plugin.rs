//! What sidehook reads of NocoBase's `applicationPlugins`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{Table, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::Store;

/// The plugin that keeps NocoBase away from executions that belong to a sidehook; see `plugin/`.
const OWN_PLUGIN: &str = "@sidehook/plugin-workflow-webhook";

impl Store {
    /// Whether sidehook's own plugin is enabled in NocoBase.
    pub async fn is_own_plugin_enabled(&self) -> Result<bool, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["enabled"]);
        select
            .from(self.table(Table::ApplicationPlugins))
            .and_where(Expr::col(self.column("packageName")).eq(OWN_PLUGIN));
        let row = self.db.query_one(&select).await?;
        let enabled: Option<Option<bool>> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(enabled.flatten() == Some(true))
    }

    /// The names of the plugins that are enabled in NocoBase.
    pub async fn enabled_plugins(&self) -> Result<BTreeSet<String>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["name"]);
        select
            .from(self.table(Table::ApplicationPlugins))
            .and_where(Expr::col(self.column("enabled")).eq(true));
        let rows = self.db.query_all(&select).await?;
        let names: Result<Vec<Option<String>>, DbErr> =
            rows.iter().map(|row| row.try_get_by_index(0)).collect();
        Ok(names?.into_iter().flatten().collect())
    }

    /// When the workflow plugin was installed: the epoch of job ids. `None` without such a row.
    pub async fn workflow_plugin_created_at(&self) -> Result<Option<DateTime<Utc>>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["createdAt"]);
        select
            .from(self.table(Table::ApplicationPlugins))
            .and_where(Expr::col(self.column("name")).eq("workflow"));
        let row = self.db.query_one(&select).await?;
        let created_at: Option<Timestamp> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(created_at.map(|time| self.codec.read_time(time)))
    }
}
