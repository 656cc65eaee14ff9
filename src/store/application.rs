//! `applications`: the sub-applications that NocoBase's multi-app plugin keeps in the database of the main one.

use entity::Table;
use sea_orm::sea_query::Query;
use sea_orm::{ConnectionTrait, DbErr};

use super::Store;
use super::fault::Fault;

/// A sub-application, as its row says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    pub name: String,
    /// The name of the host that stands for it, where it has one.
    pub cname: Option<String>,
    /// JSON as text: where its database is, and how it is started.
    pub options: Option<String>,
}

impl Store {
    /// All sub-applications, by name. Empty where the plugin's table does not exist.
    pub async fn applications(&self) -> Result<Vec<Application>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["name", "cname"]);
        self.select_json(&mut select, &["options"]);
        select.from(self.table(Table::Applications)).order_by(self.column("name"), sea_orm::Order::Asc);
        let rows = match self.db.query_all(&select).await {
            Err(err) if Fault::of(&err) == Fault::MissingTable => return Ok(Vec::new()),
            rows => rows?,
        };
        let application = |row: &sea_orm::QueryResult| {
            Ok(Application {
                name: row.try_get_by_index(0)?,
                cname: row.try_get_by_index(1)?,
                options: row.try_get_by_index(2)?,
            })
        };
        rows.iter().map(application).collect()
    }
}
