//! Which sub-applications there are: followed in the main database, within the bound of `SIDEHOOK_APPS_MAX`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sea_orm::DbErr;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::settings;
use super::slot::{Slot, Standing, State, Surroundings, Unserved};
use crate::app::App;
use crate::store::application::Application;
use crate::store::fault::describe;

/// How often the rows are compared.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// How long sub-applications are waited for when the process starts: their callers need not be told to wait.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);
/// What ending takes beside the time of grace.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// The sub-applications.
pub(super) struct Others {
    main: Arc<App>,
    known: ArcSwap<Known>,
    surroundings: Arc<Surroundings>,
    tasks: TaskTracker,
    /// Nothing is followed any more.
    stop: CancellationToken,
}

/// The sub-applications, as the rows said at one time.
#[derive(Default)]
struct Known {
    slots: BTreeMap<String, Arc<Slot>>,
    /// By the names of their hosts in lower case, whether or not they are served here.
    hosts: HashMap<String, String>,
    /// Those for which `SIDEHOOK_APPS_MAX` has no room.
    left_out: BTreeSet<String>,
}

impl Others {
    /// Reads which ones there are, begins to serve them, and follows both.
    pub(super) async fn start(main: Arc<App>) -> Arc<Self> {
        let others = Arc::new(Self {
            surroundings: Surroundings::new(&main),
            main,
            known: ArcSwap::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let mut complaint = None;
        others.look(&mut complaint).await;
        let slots: Vec<Arc<Slot>> = others.known.load().slots.values().cloned().collect();
        let tried = async {
            for slot in slots {
                slot.tried().await;
            }
        };
        // Whoever takes longer is served as soon as it can be.
        let _ = timeout(FIRST_PATIENCE, tried).await;
        let following = others.clone().follow(complaint);
        others.tasks.spawn(others.stop.clone().run_until_cancelled_owned(following));
        others
    }

    pub(super) fn find(&self, name: &str) -> Result<Arc<App>, Unserved> {
        let known = self.known.load();
        match known.slots.get(name) {
            Some(slot) => slot.app(),
            None if known.left_out.contains(name) => Err(Unserved::Broken),
            None => Err(Unserved::Unknown),
        }
    }

    pub(super) fn named_by_host(&self, host: &str) -> Option<String> {
        let known = self.known.load();
        if known.hosts.is_empty() {
            return None;
        }
        known.hosts.get(&host.to_ascii_lowercase()).cloned()
    }

    /// Those that answer at the moment.
    pub(super) fn served(&self) -> Vec<Arc<App>> {
        self.known.load().slots.values().filter_map(|slot| slot.app().ok()).collect()
    }

    pub(super) fn standings(&self) -> Vec<Standing> {
        let known = self.known.load();
        let of_slots = known.slots.values();
        let of_slots = of_slots.map(|slot| Standing { name: slot.name().to_owned(), state: slot.state() });
        let left_out = known.left_out.iter();
        let left_out = left_out.map(|name| Standing { name: name.clone(), state: State::LeftOut });
        of_slots.chain(left_out).collect()
    }

    /// Ends all of them, within `grace` and some seconds.
    pub(super) async fn shut_down(&self, grace: Duration) {
        self.stop.cancel();
        self.surroundings.set_grace(grace);
        self.known.load().slots.values().for_each(|slot| slot.end());
        self.tasks.close();
        if timeout(grace + END_PATIENCE, self.tasks.wait()).await.is_err() {
            tracing::warn!("sub-applications have not ended in time");
        }
    }

    async fn follow(self: Arc<Self>, mut complaint: Option<String>) {
        loop {
            tokio::time::sleep(REFRESH_INTERVAL).await;
            self.look(&mut complaint).await;
        }
    }

    /// Compares the rows with what is served. `complaint` is what has been said last of rows that cannot be read.
    async fn look(self: &Arc<Self>, complaint: &mut Option<String>) {
        match self.main.store.applications().await {
            Ok(rows) => {
                if complaint.take().is_some() {
                    tracing::info!("the applications can be read again");
                }
                self.adjust(rows);
            }
            Err(err) => complain(complaint, &err),
        }
    }

    fn adjust(&self, rows: Vec<Application>) {
        let old = self.known.load_full();
        let hosts = rows.iter().filter_map(|row| {
            let host = row.cname.as_deref().filter(|host| !host.is_empty())?;
            Some((host.to_ascii_lowercase(), row.name.clone()))
        });
        let mut new = Known { hosts: hosts.collect(), ..Known::default() };
        let apps = &self.main.config.apps;
        let wanted = rows.into_iter().filter(|row| apps.serves(&row.name) && settings::is_run(row));
        // Those that are served stay, whatever comes before them in the alphabet.
        let (kept, others): (Vec<_>, Vec<_>) = wanted.partition(|row| old.slots.contains_key(&row.name));
        for row in kept.into_iter().chain(others) {
            if new.slots.len() == apps.max {
                new.left_out.insert(row.name);
                continue;
            }
            let known = old.slots.get(&row.name);
            let slot = match known.filter(|slot| slot.is_of(&row)) {
                Some(slot) => slot.clone(),
                None => self.begin(row, known),
            };
            new.slots.insert(slot.name().to_owned(), slot);
        }
        for (name, slot) in &old.slots {
            if !new.slots.contains_key(name) {
                tracing::info!(app = name, "an application is gone; it is not served any more");
                slot.end();
            }
        }
        if new.left_out != old.left_out && !new.left_out.is_empty() {
            let names: Vec<&str> = new.left_out.iter().map(String::as_str).collect();
            let (names, max) = (names.join(", "), apps.max);
            tracing::warn!(
                apps = names,
                max,
                "more applications than SIDEHOOK_APPS_MAX: these are not served"
            );
        }
        self.known.store(Arc::new(new));
    }

    /// Serves an application from now on, once the one that had this name before has ended.
    fn begin(&self, row: Application, before: Option<&Arc<Slot>>) -> Arc<Slot> {
        if let Some(before) = before {
            tracing::info!(app = row.name, "the options of an application have changed; it is opened anew");
            before.end();
        }
        let slot = Slot::new(row, self.surroundings.clone());
        self.tasks.spawn(slot.clone().keep(before.cloned()));
        slot
    }
}

fn complain(complaint: &mut Option<String>, err: &DbErr) {
    let reason = describe(err);
    if complaint.as_ref() != Some(&reason) {
        tracing::warn!(reason, "the applications cannot be read");
        *complaint = Some(reason);
    }
}
