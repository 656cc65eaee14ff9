//! The applications of one NocoBase: the main one, and the sub-applications that its multi-app plugin keeps in
//! databases or schemas of their own. Each is an [`App`]; what is asked of all of them is asked here.

mod others;
mod settings;
mod slot;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;

pub use settings::{Unusable, of_app};
pub use slot::{Standing, State, Unserved};

use self::others::Others;
use crate::app::{App, Process, open_store};
use crate::config::{Config, MAIN};
use crate::metrics::Families;

/// All applications that this process serves.
pub struct Apps {
    main: Arc<App>,
    /// None where nothing but the main one is served.
    others: Option<Arc<Others>>,
}

impl Apps {
    /// Serves the applications of a configuration. `control` is a runtime that nothing in a request can hold up. It is
    /// done when the main application can be served; sub-applications are waited for some seconds.
    pub async fn start(config: Config, control: &Handle) -> anyhow::Result<Arc<Self>> {
        let process = Process::new(&config, control)?;
        let store = open_store(&config).await?;
        let main = App::start_on(config, store, process).await?;
        Ok(Self::around(main).await)
    }

    /// The same around a main application that is served already.
    pub async fn around(main: Arc<App>) -> Arc<Self> {
        let others = match main.config.apps.serves_others() {
            true => Some(Others::start(main.clone()).await),
            false => None,
        };
        Arc::new(Self { main, others })
    }

    /// The main application.
    pub fn main(&self) -> &Arc<App> {
        &self.main
    }

    /// Whether requests choose their application at all.
    pub fn are_chosen(&self) -> bool {
        self.main.config.apps.served.is_some()
    }

    /// An application by its name.
    pub fn find(&self, name: &str) -> Result<Arc<App>, Unserved> {
        if name == MAIN {
            return Ok(self.main.clone());
        }
        self.others.as_ref().map_or(Err(Unserved::Unknown), |others| others.find(name))
    }

    /// The name of the application that the name of a host stands for.
    pub fn named_by_host(&self, host: &str) -> Option<String> {
        self.others.as_ref()?.named_by_host(host)
    }

    /// How each sub-application is doing, by name.
    pub fn standings(&self) -> Vec<Standing> {
        self.others.as_ref().map(|others| others.standings()).unwrap_or_default()
    }

    /// What is measured of all applications, in Prometheus' text format.
    pub async fn metrics_text(&self) -> String {
        let Some(others) = &self.others else { return self.main.measured().await.text() };
        let served = others.served();
        let apps = std::iter::once(&self.main).chain(&served);
        let mut families = join_all(apps.map(|app| app.measured())).await;
        let standings = others.standings();
        let kept = standings.iter().filter(|one| one.state != State::LeftOut);
        let served = kept.map(|one| (one.name.as_str(), one.state == State::Served));
        families.push(Families::of_apps(std::iter::once((MAIN, true)).chain(served)));
        Families::joined(families).text()
    }

    /// Done when this process has to end by itself. What happens to a sub-application does not end it.
    pub async fn failed(&self) {
        self.main.failed().await;
    }

    /// Has new events sent elsewhere; those that still come are taken.
    pub fn leave(&self) {
        self.all().iter().for_each(|app| app.leave());
    }

    /// Takes no more work.
    pub fn stop(&self) {
        self.all().iter().for_each(|app| app.stop());
    }

    /// Lets what runs end within `grace`, in all applications at the same time, and ends them. An error when the main
    /// one had failed.
    pub async fn shut_down(&self, grace: Duration) -> anyhow::Result<()> {
        let others = async {
            if let Some(others) = &self.others {
                others.shut_down(grace).await;
            }
        };
        let (ended, ()) = tokio::join!(self.main.shut_down(grace), others);
        self.main.process.end().await;
        ended
    }

    fn all(&self) -> Vec<Arc<App>> {
        let served = self.others.as_ref().map(|others| others.served()).unwrap_or_default();
        std::iter::once(self.main.clone()).chain(served).collect()
    }
}
