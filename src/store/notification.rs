//! NocoBase's notifications: the channels that they go through, the log of what was sent, and the messages that users
//! see inside NocoBase.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{JsonText, Table};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};

use super::Store;
use super::fault::Fault;

/// So many messages are written with one statement.
const BATCH: usize = 100;

/// A row of `notificationChannels`, templates not filled in.
#[derive(Clone, Debug)]
pub struct Channel {
    pub title: Option<String>,
    /// `notificationType`: `email`, `in-app-message` and so on.
    pub type_name: Option<String>,
    pub options: Option<JsonText>,
}

/// A row of `notificationSendLogs`.
#[derive(Clone, Debug)]
pub struct SendLog {
    /// A UUID. A row that is there already stays as it is: it was written before a crash.
    pub id: String,
    pub channel_name: Option<String>,
    pub channel_title: Option<String>,
    pub type_name: Option<String>,
    pub is_success: bool,
    /// JSON.
    pub message: String,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
}

/// A row of `notificationInAppMessages`, without its user.
#[derive(Clone, Debug)]
pub struct InAppMessage {
    pub channel_name: String,
    pub title: Option<String>,
    pub content: Option<String>,
    /// JSON.
    pub options: Option<String>,
    pub at: DateTime<Utc>,
}

/// Reads and writes them in NocoBase's database.
#[derive(Clone, Debug)]
pub struct Notifications(Store);

impl Notifications {
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// What is said of an error, with what to do where that is known.
    pub fn complaint(err: &DbErr) -> String {
        match Fault::of(err) {
            Fault::MissingTable => {
                "There is no table of NocoBase's notifications: enable its plugin notification-manager"
                    .to_owned()
            }
            Fault::MissingRight => format!("The notifications of NocoBase cannot be used: {err}"),
            _ => err.to_string(),
        }
    }

    /// The channel of a name.
    pub async fn channel(&self, name: &str) -> Result<Option<Channel>, DbErr> {
        let store = &self.0;
        let mut select = Query::select();
        select
            .columns(store.columns(["title", "notificationType"]))
            .expr(store.codec.json_column(store.column("options")))
            .from(store.table(Table::NotificationChannels))
            .and_where(Expr::col(store.column("name")).eq(name));
        let read = |row: QueryResult| {
            Ok(Channel {
                title: row.try_get_by_index(0)?,
                type_name: row.try_get_by_index(1)?,
                options: row.try_get_by_index(2)?,
            })
        };
        store.db.query_one(&select).await?.map(read).transpose()
    }

    /// The types of all channels, by their names; none where NocoBase's plugin has made no table, or one that this user
    /// may not see: MySQL does not tell these apart.
    pub async fn channel_types(&self) -> Result<BTreeMap<String, String>, DbErr> {
        let store = &self.0;
        let mut select = Query::select();
        select
            .columns(store.columns(["name", "notificationType"]))
            .from(store.table(Table::NotificationChannels));
        let rows = match store.db.query_all(&select).await {
            Err(err) if matches!(Fault::of(&err), Fault::MissingTable | Fault::MissingRight) => Vec::new(),
            rows => rows?,
        };
        let read = |row: &QueryResult| {
            let type_name: Option<String> = row.try_get_by_index(1)?;
            Ok((row.try_get_by_index(0)?, type_name.unwrap_or_default()))
        };
        rows.iter().map(read).collect()
    }

    /// Says what has become of a notification, on a connection of the pool.
    pub async fn log(&self, log: &SendLog) -> Result<(), DbErr> {
        self.log_within(&self.0.db, log).await
    }

    /// The same within a transaction.
    pub async fn log_within<C: ConnectionTrait>(&self, db: &C, log: &SendLog) -> Result<(), DbErr> {
        let store = &self.0;
        let status = if log.is_success { "success" } else { "failure" };
        let mut insert = Query::insert();
        insert
            .into_table(store.table(Table::NotificationSendLogs))
            .columns(store.columns([
                "id",
                "createdAt",
                "updatedAt",
                "channelName",
                "channelTitle",
                "triggerFrom",
                "notificationType",
                "status",
                "message",
                "reason",
            ]))
            .values_panic([
                self.uuid(&log.id),
                store.codec.time(log.at),
                store.codec.time(log.at),
                Expr::val(log.channel_name.clone()),
                Expr::val(log.channel_title.clone()),
                Expr::val("workflow"),
                Expr::val(log.type_name.clone()),
                Expr::val(status),
                store.codec.json(Some(log.message.clone())),
                Expr::val(log.reason.clone()),
            ])
            .on_conflict(
                OnConflict::column(store.column("id")).do_nothing_on([store.column("id")]).to_owned(),
            );
        db.execute(&insert).await.map(drop)
    }

    /// Puts a message into the inboxes of some users, each with an id of its own.
    pub async fn add_messages<C: ConnectionTrait>(
        &self,
        db: &C,
        message: &InAppMessage,
        users: &[i64],
    ) -> Result<(), DbErr> {
        let store = &self.0;
        for users in users.chunks(BATCH) {
            let mut insert = Query::insert();
            insert.into_table(store.table(Table::NotificationInAppMessages)).columns(store.columns([
                "id",
                "createdAt",
                "updatedAt",
                "userId",
                "channelName",
                "title",
                "content",
                "status",
                "receiveTimestamp",
                "options",
            ]));
            for user in users {
                insert.values_panic([
                    self.uuid(&uuid::Uuid::new_v4().to_string()),
                    store.codec.time(message.at),
                    store.codec.time(message.at),
                    Expr::val(*user),
                    Expr::val(message.channel_name.as_str()),
                    Expr::val(message.title.clone()),
                    Expr::val(message.content.clone()),
                    Expr::val("unread"),
                    Expr::val(message.at.timestamp_millis()),
                    store.codec.json(message.options.clone()),
                ]);
            }
            db.execute(&insert).await?;
        }
        Ok(())
    }

    fn uuid(&self, text: &str) -> Expr {
        let text = Expr::val(text);
        match self.0.codec.backend() {
            DbBackend::Postgres => text.cast_as(Alias::new("uuid")),
            _ => text,
        }
    }
}
