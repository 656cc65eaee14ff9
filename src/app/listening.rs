//! Webhooks whose requests somebody waits for, as this instance knows them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sea_orm::DbErr;

use super::App;
use crate::store::Store;
use crate::store::listening::Listened;

/// Those that are waited for.
#[derive(Default)]
pub struct Listening(ArcSwap<Vec<Listened>>);

/// Why nobody can be waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Deaf {
    #[error("the request log is off: set SIDEHOOK_REQUESTS to something else for sidehook")]
    Off,
    #[error("too many webhooks are waited for already: try again in some minutes")]
    TooMany,
    #[error("the database does not take it: {0}")]
    Database(String),
}

impl Listening {
    /// Reads them again.
    pub(super) async fn refresh(&self, store: &Store) -> Result<(), DbErr> {
        let listened = store.listened().await?;
        if listened != **self.0.load() {
            self.0.store(Arc::new(listened));
        }
        Ok(())
    }

    /// Whether somebody waits for requests of this workflow.
    pub fn is_for(&self, key: &str, now_ms: i64) -> bool {
        self.0.load().iter().any(|one| one.key == key && one.ends_at > now_ms)
    }

    /// Whether somebody waits for requests to this URL, whoever has it: its path ends with the key of a workflow, or
    /// `filter_by` is one.
    pub fn is_at(&self, path: &str, filter_by: impl Fn() -> Option<String>, now_ms: i64) -> bool {
        let listened = self.0.load();
        if listened.is_empty() {
            return false;
        }
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let filtered = filter_by();
        listened.iter().any(|one| {
            one.ends_at > now_ms && (one.key == last || filtered.as_deref() == Some(one.key.as_str()))
        })
    }
}

impl App {
    /// Has the bodies of all requests for a workflow kept for so long, on all instances within a second or two; for no
    /// time at all it ends. The workflow need not be enabled, nor be there.
    pub async fn listen(&self, key: &str, span: Option<Duration>) -> Result<(), Deaf> {
        if self.config.request_log.level == crate::webhook::logged::Level::Off {
            return Err(Deaf::Off);
        }
        let database = |err: DbErr| Deaf::Database(crate::store::fault::describe(&err));
        let ids = self.engine.ids();
        let now = ids.now().timestamp_millis();
        let id = ids.job_id().map_err(|err| Deaf::Database(err.to_string()))?;
        let ends_at = span.map(|span| now + i64::try_from(span.as_millis()).unwrap_or_default());
        if !self.store.listen(id, key, ends_at, now).await.map_err(database)? {
            return Err(Deaf::TooMany);
        }
        self.listening.refresh(&self.store).await.map_err(database)
    }
}
