//! A main application with the rows of NocoBase's multi-app plugin, and sub-applications beside it.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Mutex;

use entity::Table;
use futures_util::FutureExt;
use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::databases::{Kind, Product, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, prepare};
use crate::wait::until;

pub const TOKEN: &str = "planted-token-0123456789";

/// Where sub-applications are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// In databases or files of their own.
    Databases,
    /// In schemas of the main database.
    Schemas,
}

pub struct World {
    pub database: TestDatabase,
    pub main: Rows,
    layout: Layout,
    /// They go with the world.
    others: Mutex<Vec<TestDatabase>>,
}

/// A sub-application.
pub struct Sub {
    pub name: String,
    pub rows: Rows,
}

/// Runs a test in every world that can be had, all at the same time.
pub async fn in_every_world(test: impl AsyncFn(World)) {
    let run = async |(product, layout): (Product, Layout)| {
        let Some(world) = World::create(product, layout).await else { return };
        let outcome = AssertUnwindSafe(Box::pin(test(world))).catch_unwind().await;
        assert!(outcome.is_ok(), "the test fails on {product} with {layout:?}");
    };
    let layouts = Product::ALL.map(|product| (product, Layout::Databases));
    join_all(layouts.into_iter().chain([(Product::Postgres, Layout::Schemas)]).map(run)).await;
}

/// A world in an SQLite file.
pub async fn in_files() -> World {
    World::create(Product::Sqlite, Layout::Databases).await.expect("SQLite can always be had")
}

/// A synchronous workflow that answers with a value.
pub fn answering(key: &str, body: Value) -> NewWorkflow {
    workflow(key, true, &json!({}), &[node("answer", "response", json!({"body": body}))])
}

impl World {
    async fn create(product: Product, layout: Layout) -> Option<Self> {
        let database = TestDatabase::create_on(product).await?;
        let main = Rows { store: Box::pin(prepare(&database, &[])).await };
        let table = main.table(Table::Applications);
        let columns = "name VARCHAR(100) PRIMARY KEY, cname VARCHAR(100), options JSON";
        main.execute(&format!("CREATE TABLE {table} ({columns})")).await;
        Some(Self { database, main, layout, others: Mutex::default() })
    }

    /// A sub-application with its tables and its row.
    pub async fn add(&self, cname: Option<&str>) -> Sub {
        let name = self.place().await;
        let rows = Box::pin(self.fill(&name)).await;
        self.add_row(&name, cname, &json!({"autoStart": true})).await;
        Sub { name, rows }
    }

    /// The name of a sub-application that has no tables yet.
    pub async fn place(&self) -> String {
        let name = format!("sub_{:08x}", rand::random::<u32>());
        if self.layout == Layout::Schemas || self.database.kind == Kind::Sqlite {
            return name;
        }
        let database = TestDatabase::create_on(self.database.product).await.expect("another database");
        let name = database.env().into_iter().find(|(name, _)| name == "DB_DATABASE").expect("a name").1;
        self.others.lock().expect("no panic").push(database);
        name
    }

    /// Creates the tables of a sub-application.
    pub async fn fill(&self, name: &str) -> Rows {
        let file = self.file(name);
        let place = match (self.layout, self.database.kind) {
            (Layout::Schemas, _) => ("DB_SCHEMA", name),
            (_, Kind::Sqlite) => ("DB_STORAGE", &*file),
            _ => ("DB_DATABASE", name),
        };
        let store = Box::pin(prepare(&self.database, &[place])).await;
        Rows { store }
    }

    /// What a row says whose application is in the place of another one.
    pub fn options_of(&self, name: &str) -> Value {
        match (self.layout, self.database.kind) {
            (Layout::Schemas, _) => json!({"database": {"schema": name}}),
            (_, Kind::Sqlite) => json!({"database": {"storage": self.file(name)}}),
            _ => json!({"database": {"database": name}}),
        }
    }

    pub async fn add_row(&self, name: &str, cname: Option<&str>, options: &Value) {
        let cname = cname.map_or_else(|| "NULL".to_owned(), |cname| format!("'{cname}'"));
        let table = self.main.table(Table::Applications);
        let insert =
            format!("INSERT INTO {table} (name, cname, options) VALUES ('{name}', {cname}, '{options}')");
        self.main.execute(&insert).await;
    }

    pub async fn set_options(&self, name: &str, options: &Value) {
        let table = self.main.table(Table::Applications);
        self.main.execute(&format!("UPDATE {table} SET options = '{options}' WHERE name = '{name}'")).await;
    }

    pub async fn remove_row(&self, name: &str) {
        let table = self.main.table(Table::Applications);
        self.main.execute(&format!("DELETE FROM {table} WHERE name = '{name}'")).await;
    }

    /// The settings of a server, and of commands, beside those of the main database.
    pub fn settings<'a>(&self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let schemas = if self.layout == Layout::Schemas { "true" } else { "" };
        let own = [
            ("SIDEHOOK_APPS", "main,*"),
            ("USE_DB_SCHEMA_IN_SUBAPP", schemas),
            ("SIDEHOOK_STATUS_TOKEN", TOKEN),
        ];
        own.into_iter().chain(more.iter().copied()).collect()
    }

    pub async fn serve(&self) -> Process {
        self.serve_with(&[]).await
    }

    pub async fn serve_with(&self, more: &[(&str, &str)]) -> Process {
        Box::pin(Process::serve(&self.database, &self.settings(more))).await
    }

    /// Where an SQLite file of that name is; nothing on a server.
    fn file(&self, name: &str) -> String {
        let environment = self.database.env();
        let Some((_, file)) = environment.iter().find(|(name, _)| name == "DB_STORAGE") else {
            return String::new();
        };
        PathBuf::from(file).with_file_name(format!("{name}.sqlite")).display().to_string()
    }
}

/// A request to a URL below a server's.
pub fn request(process: &Process, path: &str) -> RequestBuilder {
    client().post(format!("{}{path}", process.url))
}

/// Its status and the text of its answer.
pub async fn told(request: RequestBuilder) -> (u16, String) {
    let answer = Box::pin(request.send()).await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

/// What a workflow of an application answers, asked by the path.
pub async fn asked(process: &Process, app: &str, key: &str) -> (u16, String) {
    told(request(process, &format!("/api/__app/{app}/webhook:trigger/{key}"))).await
}

/// Waits until it answers so.
pub async fn answers(process: &Process, app: &str, key: &str, expected: (u16, &str)) {
    let is_so = async || {
        let (status, text) = asked(process, app, key).await;
        status == expected.0 && text.contains(expected.1)
    };
    until(is_so, || format!("{app} does not answer {expected:?}:\n{}", process.printed())).await;
}

pub async fn end(mut process: Process) {
    process.signal("TERM").await;
    assert!(process.ended().await.success(), "{}", process.printed());
}
