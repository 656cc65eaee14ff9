//! For how long requests are kept: as somebody has set it while sidehook runs, else as the environment says.

use std::time::Duration;

use sea_orm::DbErr;

use super::App;
use crate::config::RequestLog as Settings;
use crate::store::Store;

/// The name of the setting; its value is a number of seconds.
const NAME: &str = "requests.keep";
/// What can be set: anything shorter is gone before somebody has looked, anything longer is no log any more.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Why a time cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unkept {
    #[error(
        "requests are kept for a minute at least and ten years at most: `seconds` is from 60 to 316224000"
    )]
    OutOfBounds,
    #[error("the database does not take it: {0}")]
    Database(String),
}

/// For how long they are kept. Nothing may be removed where this cannot be told.
pub(super) async fn kept(store: &Store, settings: &Settings) -> Result<Duration, DbErr> {
    let Some(set) = store.setting(NAME).await? else { return Ok(settings.keep) };
    let seconds = set.parse().map(Duration::from_secs).ok();
    seconds.filter(|time| (SHORTEST..=LONGEST).contains(time)).ok_or_else(|| {
        DbErr::Custom(format!("`{NAME}` in sidehook_settings is no such number of seconds: remove that row"))
    })
}

impl App {
    /// For how long requests are kept.
    pub async fn retention(&self) -> Result<Duration, DbErr> {
        kept(&self.store, &self.config.request_log).await
    }

    /// Sets for how long requests are kept, on all instances, in whole seconds; without a time it is as the environment
    /// says again. Those that are too old by then are removed within a minute or two.
    pub async fn retain(&self, time: Option<Duration>) -> Result<(), Unkept> {
        if time.is_some_and(|time| !(SHORTEST..=LONGEST).contains(&time)) {
            return Err(Unkept::OutOfBounds);
        }
        let seconds = time.map(|time| time.as_secs().to_string());
        let set = self.store.set(NAME, seconds.as_deref()).await;
        set.map_err(|err| Unkept::Database(crate::store::fault::describe(&err)))?;
        tracing::info!(seconds, "it was set for how long requests are kept");
        Ok(())
    }
}
