//! A sidehook for one test: the real server on a free port, over a database of its own.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use entity::Table;
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::Value;
use sidehook::app::{App, open_store};
use sidehook::apps::Apps;
use sidehook::cli::serve::serve;
use sidehook::config::{Config, Sources};
use sidehook::control::Control;
use sidehook::http::Server;
use sidehook::store::Store;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::databases::{Kind, Product, TestDatabase};
use crate::queue::world::ready_in_front;
use crate::rows::Rows;
use crate::wait::until;

pub struct TestServer {
    /// Such as `http://127.0.0.1:40123`.
    pub url: String,
    pub app: Arc<App>,
    control: Arc<Control>,
    rows: Rows,
    pub client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

/// The configuration of a test, over the environment of its database.
pub fn config(database: &TestDatabase, settings: &[(&str, &str)]) -> Config {
    let mut environment: BTreeMap<String, String> = database.env().into_iter().collect();
    environment.extend(settings.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    Config::load(&Sources { file: None, environment }).expect("the settings of a test are valid")
}

/// Creates the tables of a stand-alone database.
pub async fn prepare(database: &TestDatabase, settings: &[(&str, &str)]) -> Store {
    let store = open_store(&config(database, settings)).await.expect("the test database opens");
    migration::stand_alone(store.db.as_sea_orm(), &store.names).await.expect("the tables are created");
    store
}

/// Runs a test on a fresh database of every product that can be had, all at the same time.
pub async fn on_every_database(test: impl AsyncFn(TestDatabase)) {
    on_databases(&Kind::ALL, test).await;
}

/// The same on some kinds only.
pub async fn on_databases(kinds: &[Kind], test: impl AsyncFn(TestDatabase)) {
    let run = async |product: Product| {
        let Some(database) = TestDatabase::create_on(product).await else { return };
        let outcome = AssertUnwindSafe(test(database)).catch_unwind().await;
        assert!(outcome.is_ok(), "the test fails on {product}");
    };
    join_all(kinds.iter().flat_map(|kind| Product::of(*kind)).map(run)).await;
}

/// A client that needs no proxy.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("an HTTP client")
}

impl TestServer {
    pub async fn start(database: &TestDatabase) -> Self {
        Self::start_with(database, &[]).await
    }

    /// Starts with more settings, by their names in the environment.
    pub async fn start_with(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        prepare(database, settings).await.db.close().await.expect("the connection closes");
        let control = Arc::new(Control::start().expect("a thread"));
        let config = config(database, settings);
        let http = config.http.clone();
        let starting = Box::pin(App::start(config, control.handle()));
        let app = starting.await.expect("sidehook starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let (stop, stopped) = oneshot::channel();
        let server = Server::start(listener, http, 1_000, &control).expect("it can be listened");
        let apps = Apps::around(app.clone()).await;
        server.open(apps.clone());
        let serving = tokio::spawn(async move {
            let stop = async {
                drop(stopped.await);
                Duration::ZERO
            };
            serve(&apps, &server, stop).await
        });
        ready_in_front(&url, settings).await;
        let rows = Rows { store: app.store.clone() };
        Self { url, rows, app, control, client: client(), stop: Some(stop), serving: Some(serving) }
    }

    /// Stops as SIGTERM does, once no execution is owned, queued or waiting: what is left then was forgotten. What
    /// is still in memory after the stop was not written.
    pub async fn stop(self) {
        let is_idle = async || self.count(Table::Leases).await == 0 && self.count(Table::Timers).await == 0;
        until(is_idle, || "leases or timers are left".to_owned()).await;
        // Connections of the pool may have been opened by its thread, and end with it.
        let _control = self.control.clone();
        let (rows, app) = (self.rows.clone(), self.app.clone());
        self.stop_in_the_middle().await;
        let (number, used) = (app.engine.owner().number, app.engine.ids().used_until());
        let given_back =
            format!("SELECT ids_used_until FROM {} WHERE id = {number}", rows.table(Table::Instances));
        assert_eq!(rows.number(&given_back).await, used, "a run was in memory when the server stopped");
    }

    /// Stops as SIGTERM does, with executions that go on elsewhere, or without a database.
    pub async fn stop_in_the_middle(mut self) {
        drop(self.stop.take());
        let serving = self.serving.take().expect("a server is stopped once");
        serving.await.expect("the server does not panic").expect("the server stops cleanly");
    }

    pub fn trigger_url(&self, key: &str) -> String {
        format!("{}/api/webhook:trigger/{key}", self.url)
    }

    /// Posts a JSON body to a workflow.
    pub async fn post(&self, key: &str, body: &Value) -> reqwest::Response {
        let request = self.client.post(self.trigger_url(key)).json(body);
        request.send().await.expect("the server answers")
    }
}

/// A server is looked at when it stops, which takes its runtime: it cannot be done here.
impl Drop for TestServer {
    fn drop(&mut self) {
        let is_looked_at = self.stop.is_none() || std::thread::panicking();
        assert!(is_looked_at, "the test ends without `stop` or `stop_in_the_middle` of its server");
    }
}

impl Deref for TestServer {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        &self.rows
    }
}
