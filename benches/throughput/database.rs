//! The databases that are measured on: started durable, with the tables and workflows of the bench, and what they tell.

use std::path::Path;

use entity::Table;

use crate::databases::{Kind, Product, Server, TestDatabase};
use crate::ground::{self, process};
use crate::rows::Rows;
use crate::workflows::{COLLECTION, Workflow};
use crate::{chosen, collections};

/// A database with its server.
pub struct Database {
    pub product: Product,
    pub database: TestDatabase,
    pub rows: Rows,
    processor: Processor,
    _server: Option<Server>,
}

/// Which processes are the database's.
enum Processor {
    /// Those of the server to which this session belongs.
    Postgres(u32),
    Process(u32),
    /// The database is a part of sidehook.
    Sidehooks,
}

/// How far executions have come.
#[derive(Clone, Copy)]
pub struct Progress {
    /// The newest execution.
    pub last: i64,
    /// Of the processor, in hundredths of a second; none where it is sidehook's.
    pub taken: Option<u64>,
}

/// Those that `BENCH_DATABASES` names.
pub fn products() -> Vec<Product> {
    let named = |product: &Product| (product.to_string().to_lowercase(), *product);
    let known = [Product::Postgres, Product::Mariadb, Product::Sqlite];
    chosen("BENCH_DATABASES", &known.iter().map(named).collect::<Vec<_>>())
}

impl Database {
    /// Starts a server, and creates tables and workflows.
    pub async fn start(product: Product, target: &str) -> Self {
        let (server, database) = match product {
            Product::Sqlite => (None, TestDatabase::create(Kind::Sqlite).await.expect("a file")),
            _ => {
                let server = Server::start(product.kind(), true).await;
                let server = server.unwrap_or_else(|| panic!("{product} does not start; install it first"));
                let database = server.create_database().await.expect("a database");
                (Some(server), database)
            }
        };
        let rows = Rows { store: ground::stand_alone(&database).await };
        let collection = serde_json::from_str(COLLECTION).expect("JSON");
        collections::create(&rows, &[collection]).await;
        for workflow in Workflow::ALL {
            for is_sync in [true, false] {
                rows.add(&workflow.row(is_sync, target)).await;
            }
        }
        let processor = match product {
            Product::Postgres => {
                let backend = rows.number("SELECT pg_backend_pid()::bigint").await;
                Processor::Postgres(u32::try_from(backend).expect("a process"))
            }
            Product::Sqlite => Processor::Sidehooks,
            _ => Processor::Process(server_of(&rows).await),
        };
        Self { product, database, rows, processor, _server: server }
    }

    pub async fn progress(&self) -> Progress {
        let last = format!("SELECT COALESCE(MAX(id), 0) FROM {}", self.rows.table(Table::Executions));
        let taken = match self.processor {
            Processor::Postgres(backend) => Some(process::postgres(backend)),
            Processor::Process(id) => Some(process::own(id)),
            Processor::Sidehooks => None,
        };
        Progress { last: self.rows.number(&last).await, taken }
    }

    /// How many executions there are since then, and how many of them have succeeded.
    pub async fn executions(&self, since: Progress) -> (i64, i64) {
        let count = |condition: &str| {
            format!(
                "SELECT COUNT(*) FROM {} WHERE id > {}{condition}",
                self.rows.table(Table::Executions),
                since.last
            )
        };
        (self.rows.number(&count("")).await, self.rows.number(&count(" AND status = 1")).await)
    }

    /// Whether nothing waits or runs: each execution that goes on after its answer has a lease until it ends.
    pub async fn is_drained(&self) -> bool {
        let sql = "SELECT COUNT(*) FROM (SELECT execution_id FROM sidehook_leases LIMIT 1) AS one";
        self.rows.number(sql).await == 0
    }
}

/// The process of a MariaDB, which is a child of this one or of its own.
async fn server_of(rows: &Rows) -> u32 {
    let files = rows.texts("SELECT CONCAT(@@pid_file, '\n', @@datadir)").await;
    let files = files[0].clone().expect("a text");
    let (file, folder) = files.split_once('\n').expect("two paths");
    let text = std::fs::read_to_string(Path::new(folder).join(file)).expect("the server's process");
    text.trim().parse().expect("a number")
}
