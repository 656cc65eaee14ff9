//! NocoBase's workflows that start when records change, which writes beside NocoBase do not start.

use entity::{JsonText, Table};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::Store;

/// An enabled workflow that hangs on records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEvent {
    pub title: String,
    /// `workflows.type`: `collection`, or `schedule` for the dates of records.
    pub trigger: String,
    /// `workflows.config`.
    pub config: String,
}

impl Store {
    pub async fn record_events(&self) -> Result<Vec<RecordEvent>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["title", "type"]);
        self.select_json(&mut select, &["config"]);
        select
            .from(self.table(Table::Workflows))
            .and_where(Expr::col(self.column("enabled")).eq(true))
            .and_where(Expr::col(self.column("type")).is_in(["collection", "schedule"]));
        let mut events = Vec::new();
        for row in self.db.query_all(&select).await? {
            let title: Option<String> = row.try_get_by_index(0)?;
            let trigger: Option<String> = row.try_get_by_index(1)?;
            let config: Option<JsonText> = row.try_get_by_index(2)?;
            events.push(RecordEvent {
                title: title.unwrap_or_default(),
                trigger: trigger.unwrap_or_default(),
                config: config.map(|text| text.0).unwrap_or_default(),
            });
        }
        Ok(events)
    }
}
