//! One sub-application: started, watched, and started again with growing pauses where it cannot be served. Whatever
//! happens to it, the others go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::settings;
use crate::app::{App, Process, UNOPENED, connect};
use crate::config::Config;
use crate::store::application::Application;

/// So many are started at a time.
const STARTS: usize = 2;
/// The pauses between attempts: from the first one, twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What all sub-applications start from.
pub(super) struct Surroundings {
    /// Of the main application.
    config: Config,
    process: Process,
    starts: Semaphore,
    /// How long what runs may take to end.
    grace: Mutex<Duration>,
}

/// A sub-application.
pub(super) struct Slot {
    row: Application,
    surroundings: Arc<Surroundings>,
    place: ArcSwap<Place>,
    /// It is not to be served any more.
    end: CancellationToken,
    /// Nothing of it runs any more.
    ended: CancellationToken,
    /// It was tried once to serve it.
    tried: CancellationToken,
}

enum Place {
    Starting,
    Served(Arc<App>),
    /// And why.
    Broken(String),
}

/// Why an application does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// There is none of that name here.
    Unknown,
    /// It is being started.
    Starting,
    /// It cannot be served at the moment; the log and the status say why.
    Broken,
}

/// How an application is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub name: String,
    pub state: State,
}

/// How a sub-application is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Served,
    Starting,
    /// It cannot be served, and is tried again; with the reason.
    Broken(String),
    /// `SIDEHOOK_APPS_MAX` has no room for it.
    LeftOut,
}

impl Surroundings {
    pub(super) fn new(main: &App) -> Arc<Self> {
        Arc::new(Self {
            config: main.config.clone(),
            process: main.process.clone(),
            starts: Semaphore::new(STARTS),
            grace: Mutex::new(main.config.http.grace),
        })
    }

    pub(super) fn set_grace(&self, grace: Duration) {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner) = grace;
    }

    fn grace(&self) -> Duration {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    pub(super) fn new(row: Application, surroundings: Arc<Surroundings>) -> Arc<Self> {
        Arc::new(Self {
            row,
            surroundings,
            place: ArcSwap::from_pointee(Place::Starting),
            end: CancellationToken::new(),
            ended: CancellationToken::new(),
            tried: CancellationToken::new(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.row.name
    }

    /// Whether a row says of it what was said when it began.
    pub(super) fn is_of(&self, row: &Application) -> bool {
        settings::are_alike(&self.row, row)
    }

    pub(super) fn app(&self) -> Result<Arc<App>, Unserved> {
        match &**self.place.load() {
            Place::Served(app) => Ok(app.clone()),
            Place::Starting => Err(Unserved::Starting),
            Place::Broken(_) => Err(Unserved::Broken),
        }
    }

    pub(super) fn state(&self) -> State {
        match &**self.place.load() {
            Place::Served(_) => State::Served,
            Place::Starting => State::Starting,
            Place::Broken(reason) => State::Broken(reason.clone()),
        }
    }

    /// Has it end: what runs ends within the time of grace.
    pub(super) fn end(&self) {
        self.end.cancel();
    }

    /// Done when it was tried once to serve it.
    pub(super) async fn tried(&self) {
        self.tried.cancelled().await;
    }

    /// Serves it until it is to end. `before` is what has to have ended before.
    pub(super) async fn keep(self: Arc<Self>, before: Option<Arc<Self>>) {
        if let Some(before) = before {
            before.ended.cancelled().await;
        }
        let mut pause = FIRST_PAUSE;
        while let Some(reason) = self.serve(&mut pause).await {
            self.tell(&reason, pause);
            self.place.store(Arc::new(Place::Broken(reason)));
            self.tried.cancel();
            if self.end.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.tried.cancel();
        self.ended.cancel();
    }

    /// Serves it until it is to end, or cannot be served: then with the reason. `pause` is the first one again once it
    /// has been served.
    async fn serve(&self, pause: &mut Duration) -> Option<String> {
        let surroundings = &self.surroundings;
        let place = self.end.run_until_cancelled(surroundings.starts.acquire()).await?;
        // It is not broken off: what it has begun would go on without an owner.
        let started = Box::pin(self.start()).await;
        drop(place);
        let app = match started {
            Ok(app) => app,
            Err(err) => return Some(format!("{err:#}")).filter(|_| !self.end.is_cancelled()),
        };
        *pause = FIRST_PAUSE;
        self.place.store(Arc::new(Place::Served(app.clone())));
        self.tried.cancel();
        self.end.run_until_cancelled(app.failed()).await;
        self.place.store(Arc::new(Place::Starting));
        app.leave();
        app.stop();
        let ended = app.shut_down(surroundings.grace()).await;
        if self.end.is_cancelled() {
            return None;
        }
        Some(ended.err().map_or_else(|| "it has ended".to_owned(), |err| format!("{err:#}")))
    }

    async fn start(&self) -> anyhow::Result<Arc<App>> {
        let config = settings::of_row(&self.surroundings.config, &self.row)?;
        let store = connect(&config).await.context(UNOPENED)?;
        let gaps = store.gaps().await.context("its tables cannot be looked up")?;
        if let Some(gap) = gaps.iter().find(|gap| !gap.is_optional()) {
            let _ = store.db.close().await;
            anyhow::bail!("{gap}: NocoBase has not set it up, or is older than sidehook needs");
        }
        App::start_on(config, store, self.surroundings.process.clone()).await
    }

    /// Says why it is not served, once for each reason.
    fn tell(&self, reason: &str, pause: Duration) {
        let (app, seconds) = (self.name(), pause.as_secs());
        match &**self.place.load() {
            Place::Broken(known) if known == reason => {
                tracing::debug!(
                    app,
                    reason,
                    again_in_seconds = seconds,
                    "an application cannot be served yet"
                );
            }
            _ => {
                tracing::warn!(app, reason, again_in_seconds = seconds, "an application cannot be served");
            }
        }
    }
}
