//! Data nodes on external data sources: other databases than NocoBase's own, as its rows describe them.

use entity::Table;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{Node, next_id, node, workflow};
use crate::rows::Rows;
use crate::server::TestServer;
use crate::wait::{TIMEOUT, until};

/// A main database with a source on another one.
const PAIRS: [(Kind, Kind); 5] = [
    (Kind::Postgres, Kind::Mysql),
    (Kind::Mysql, Kind::Postgres),
    (Kind::Sqlite, Kind::Postgres),
    (Kind::Postgres, Kind::Sqlite),
    (Kind::Mysql, Kind::Sqlite),
];

/// The options of a source, as NocoBase's forms make them.
pub fn options(database: &TestDatabase) -> Value {
    let names = [
        ("DB_HOST", "host"),
        ("DB_PORT", "port"),
        ("DB_DATABASE", "database"),
        ("DB_USER", "username"),
        ("DB_PASSWORD", "password"),
        ("DB_STORAGE", "storage"),
    ];
    let environment = database.env();
    let option = |(setting, option): &(&str, &str)| {
        let (_, value) = environment.iter().find(|(name, _)| name == setting)?;
        Some(((*option).to_owned(), json!(value)))
    };
    Value::Object(names.iter().filter_map(option).collect())
}

/// Creates the tables of NocoBase's data source manager.
pub async fn prepare(rows: &Rows) {
    let key = rows.quoted("key");
    let json = if rows.store.codec.backend() == sea_orm::DbBackend::Sqlite { "text" } else { "json" };
    let vc = "varchar(99)";
    let tables = [
        (Table::DataSources, vec![("key", vc), ("type", vc), ("enabled", "boolean"), ("options", json)]),
        (
            Table::DataSourcesCollections,
            vec![("key", vc), ("name", vc), ("dataSourceKey", vc), ("options", json)],
        ),
        (
            Table::DataSourcesFields,
            vec![
                ("key", vc),
                ("name", vc),
                ("collectionName", vc),
                ("interface", vc),
                ("dataSourceKey", vc),
                ("options", json),
            ],
        ),
    ];
    for (table, columns) in tables {
        let columns: Vec<String> =
            columns.iter().map(|(name, kind)| format!("{} {kind}", rows.quoted(name))).collect();
        rows.execute(&format!(
            "CREATE TABLE {} ({}, PRIMARY KEY ({key}))",
            rows.table(table),
            columns.join(", ")
        ))
        .await;
    }
}

/// Writes the row of a source, in the place of an earlier one.
pub async fn put(rows: &Rows, key: &str, type_name: &str, enabled: bool, options: &Value) {
    let table = rows.table(Table::DataSources);
    let columns = ["key", "type", "enabled", "options"].map(|name| rows.quoted(name));
    rows.execute(&format!("DELETE FROM {table} WHERE {} = '{key}'", columns[0])).await;
    rows.execute(&format!(
        "INSERT INTO {table} ({}) VALUES ('{key}', '{type_name}', {enabled}, '{options}')",
        columns.join(", ")
    ))
    .await;
}

/// Writes a row of `dataSourcesFields`.
async fn put_field(rows: &Rows, source: &str, collection: &str, name: &str, options: &Value) {
    let columns = ["key", "name", "collectionName", "dataSourceKey", "options"].map(|name| rows.quoted(name));
    let (table, key) = (rows.table(Table::DataSourcesFields), next_id());
    rows.execute(&format!(
        "INSERT INTO {table} ({}) VALUES ('{key}', '{name}', '{collection}', '{source}', '{options}')",
        columns.join(", ")
    ))
    .await;
}

/// A main database that is served, and a source `erp` beside it with customers and orders.
struct Beside {
    server: TestServer,
    erp: DatabaseConnection,
    erp_database: TestDatabase,
    _main: TestDatabase,
}

impl Beside {
    async fn start(main: Kind, source: Kind) -> Option<Self> {
        Self::start_with(main, source, &[]).await
    }

    async fn start_with(main: Kind, source: Kind, settings: &[(&str, &str)]) -> Option<Self> {
        let (main, erp_database) = (TestDatabase::create(main).await?, TestDatabase::create(source).await?);
        let server = TestServer::start_with(&main, settings).await;
        let erp = Database::connect(&erp_database.url).await.expect("the source opens");
        let id = match source {
            Kind::Sqlite => "integer PRIMARY KEY AUTOINCREMENT",
            Kind::Postgres => "serial PRIMARY KEY",
            Kind::Mysql => "int AUTO_INCREMENT PRIMARY KEY",
        };
        for sql in [
            format!("CREATE TABLE erp_customers (id {id}, name varchar(50) NOT NULL)"),
            format!("CREATE TABLE erp_orders (id {id}, customer_id int, total numeric(10,2), note varchar(50))"),
            "INSERT INTO erp_customers (name) VALUES ('Ann'), ('Bob')".to_owned(),
            "INSERT INTO erp_orders (customer_id, total, note) VALUES (1, 9.5, 'a'), (1, 3, 'b'), (2, 4, 'c')".to_owned(),
        ] {
            erp.execute_unprepared(&sql).await.unwrap_or_else(|err| panic!("{sql}: {err}"));
        }
        prepare(&server).await;
        let beside = Self { server, erp, erp_database, _main: main };
        beside.put(true, json!({"tablePrefix": "erp_"})).await;
        let customer = json!({"type": "belongsTo", "target": "customers", "foreignKey": "customer_id", "targetKey": "id"});
        put_field(&beside.server, "erp", "orders", "customer", &customer).await;
        put_field(&beside.server, "erp", "orders", "remark", &json!({"type": "string", "field": "note"}))
            .await;
        Some(beside)
    }

    async fn put(&self, enabled: bool, more: Value) {
        let mut options = options(&self.erp_database);
        for (name, value) in more.as_object().expect("an object") {
            options[name] = value.clone();
        }
        put(&self.server, "erp", self.erp_database.kind.name(), enabled, &options).await;
    }

    /// The status and the result of each job of a workflow that runs once.
    async fn run(&self, nodes: &[Node]) -> Vec<(i64, Value)> {
        run(&self.server, nodes).await
    }

    async fn total(&self, sql: &str) -> i64 {
        let statement = sea_orm::Statement::from_string(self.erp.get_database_backend(), sql);
        let row = self.erp.query_one_raw(statement).await.expect("a query").expect("a row");
        row.try_get_by_index::<i64>(0)
            .or_else(|_| row.try_get_by_index::<i32>(0).map(i64::from))
            .expect("a number")
    }

    async fn stop(self) {
        self.erp.close().await.expect("the connection closes");
        self.server.stop().await;
    }
}

async fn run(server: &TestServer, nodes: &[Node]) -> Vec<(i64, Value)> {
    let key = format!("k{}", next_id());
    let hook = workflow(&key, true, &json!({"request": {"body": [{"key": "v"}]}}), nodes);
    server.add(&hook).await;
    server.post(&key, &json!({"v": "new"})).await;
    let execution = server.settled(hook.id, 1, TIMEOUT).await.remove(0);
    let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
    jobs.iter().map(|job| (job["status"].as_i64().expect("a status"), job["result"].clone())).collect()
}

#[tokio::test]
async fn data_nodes_work_on_another_database() {
    for (main, source) in PAIRS {
        let Some(beside) = Beside::start(main, source).await else { continue };
        let nodes = [
            node(
                "a",
                "create",
                json!({"collection": "erp:orders", "params": {"values": {"customer_id": 2, "total": 7, "remark": "{{$context.body.v}}"}, "appends": ["customer"]}}),
            ),
            node(
                "b",
                "query",
                json!({"collection": "erp:orders", "multiple": true, "params": {
                "filter": {"customer": {"name": "Bob"}}, "fields": ["id", "remark"], "sort": [{"field": "id", "direction": "asc"}]}}),
            ),
            node(
                "c",
                "update",
                json!({"collection": "erp:orders", "params": {"filter": {"customer_id": 1}, "values": {"remark": "old"}}}),
            ),
            node(
                "d",
                "aggregate",
                json!({"aggregator": "sum", "collection": "erp:orders", "params": {"field": "total"}}),
            ),
            node(
                "e",
                "sql",
                json!({"dataSource": "erp", "sql": "select name from erp_customers where id = :id", "variables": [{"name": "id", "value": 2}]}),
            ),
            node(
                "f",
                "destroy",
                json!({"collection": "erp:orders", "params": {"filter": {"remark": "old"}}}),
            ),
        ];
        let jobs = beside.run(&nodes).await;
        let statuses: Vec<i64> = jobs.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [1; 6], "{main} and {source}: {jobs:?}");
        let created = &jobs[0].1;
        assert_eq!(
            (&created["remark"], &created["customer"]["name"]),
            (&json!("new"), &json!("Bob")),
            "{jobs:?}"
        );
        assert_eq!(
            jobs[1].1,
            json!([{"id": 3, "remark": "c"}, {"id": 4, "remark": "new"}]),
            "{main} and {source}"
        );
        assert_eq!((&jobs[2].1, &jobs[3].1), (&json!(2), &json!(23.5)), "{main} and {source}");
        assert_eq!((&jobs[4].1, &jobs[5].1), (&json!([{"name": "Bob"}]), &json!(2)), "{main} and {source}");
        assert_eq!(beside.total("SELECT COUNT(*) FROM erp_orders").await, 2);
        beside.stop().await;
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_as_nocobase_does_or_by_name() {
    let Some(beside) = Beside::start(Kind::Postgres, Kind::Sqlite).await else { return };
    put(&beside.server, "rest", "rest-api", true, &json!({})).await;
    put(&beside.server, "off", "postgres", false, &json!({})).await;
    put(&beside.server, "odd", "postgres", true, &json!({"host": "h", "password": "hunter2"})).await;
    let cases = [
        ("none:orders", "reading 'collectionManager'"),
        ("erp:nothing", "Cannot destructure property 'repository'"),
        ("rest:orders", "the data source \"rest\" is of the type \"rest-api\""),
        ("off:orders", "the data source \"off\" is disabled"),
        ("odd:orders", "the data source \"odd\" cannot be reached: its options name no username"),
    ];
    for (collection, said) in cases {
        let jobs = beside.run(&[node("q", "query", json!({"collection": collection, "params": {}}))]).await;
        let message = jobs[0].1["message"].as_str().unwrap_or_default().to_owned();
        assert!(jobs[0].0 == -2 && message.contains(said), "{collection}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    beside.stop().await;
}

#[tokio::test]
async fn changes_of_the_rows_are_followed() {
    let Some(beside) = Beside::start(Kind::Sqlite, Kind::Postgres).await else { return };
    let query = |field: &str| {
        let config = json!({"collection": "erp:orders", "params": {"filter": {"id": 1}, "fields": [field]}});
        [node("q", "query", config)]
    };
    assert_eq!(beside.run(&query("remark")).await[0], (1, json!({"remark": "a"})));
    // A field that is kept anew, and one that has gone.
    let fields = beside.server.table(Table::DataSourcesFields);
    beside.server.execute(&format!("DELETE FROM {fields} WHERE name = 'remark'")).await;
    put_field(&beside.server, "erp", "orders", "comment", &json!({"type": "string", "field": "note"})).await;
    let is_followed = async || beside.run(&query("comment")).await[0] == (1, json!({"comment": "a"}));
    until(is_followed, || "the fields are not followed".to_owned()).await;
    beside.put(false, json!({"tablePrefix": "erp_"})).await;
    let is_off = async || beside.run(&query("comment")).await[0].0 == -2;
    until(is_off, || "a source that was disabled is still used".to_owned()).await;
    beside.put(true, json!({"tablePrefix": "erp_", "password": "{{$env.ERP}}"})).await;
    let message =
        async || beside.run(&query("comment")).await[0].1["message"].as_str().unwrap_or_default().to_owned();
    until(
        async || message().await.contains("cannot be reached"),
        || "the password is not followed".to_owned(),
    )
    .await;
    let password = options(&beside.erp_database)["password"].as_str().unwrap_or_default().to_owned();
    let (table, columns) = (
        beside.server.table(Table::EnvironmentVariables),
        ["name", "type", "value", "createdAt", "updatedAt"].map(|name| beside.server.quoted(name)).join(", "),
    );
    beside
        .server
        .execute(&format!("INSERT INTO {table} ({columns}) VALUES ('ERP', 'default', '{password}', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"))
        .await;
    let is_open = async || beside.run(&query("comment")).await[0].0 == 1;
    until(is_open, || "the variable is not filled in".to_owned()).await;
    // Only what is chosen.
    beside.put(true, json!({"tablePrefix": "erp_", "addAllCollections": false})).await;
    let customers = [node("q", "query", json!({"collection": "erp:customers", "params": {}}))];
    let is_hidden = async || beside.run(&customers).await[0].0 == -2;
    until(is_hidden, || "a table that was not chosen is there".to_owned()).await;
    assert_eq!(beside.run(&query("comment")).await[0].0, 1, "one with kept fields was");
    beside.stop().await;
}

#[tokio::test]
async fn a_source_that_is_away_disturbs_nobody_else() {
    let Some(beside) = Beside::start(Kind::Sqlite, Kind::Postgres).await else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    for (key, port) in [("silent", port), ("closed", 1)] {
        let options = json!({"host": "127.0.0.1", "port": port, "username": "u", "password": "hunter2", "database": "d"});
        put(&beside.server, key, "postgres", true, &options).await;
    }
    let query =
        |source: &str| [node("q", "query", json!({"collection": format!("{source}:orders"), "params": {}}))];
    let (silent, closed) = (query("silent"), query("closed"));
    let fine = query("erp");
    let (silent, closed, fine) = tokio::join!(beside.run(&silent), beside.run(&closed), beside.run(&fine));
    for (jobs, name) in [(silent, "silent"), (closed, "closed")] {
        let message = jobs[0].1["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(&format!("the data source \"{name}\" cannot be reached")), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    assert_eq!(fine[0].0, 1);
    beside.stop().await;
}

#[tokio::test]
async fn a_transaction_is_that_of_its_source() {
    for (main, source) in
        [(Kind::Postgres, Kind::Mysql), (Kind::Mysql, Kind::Postgres), (Kind::Sqlite, Kind::Sqlite)]
    {
        let Some(beside) = Beside::start(main, source).await else { continue };
        beside.server.execute("CREATE TABLE written (n integer)").await;
        let erp = |key: &str| {
            let config =
                json!({"dataSource": "erp", "sql": "INSERT INTO erp_customers (name) VALUES ('in')"});
            node(key, "sql", config)
        };
        let own = |key: &str| node(key, "sql", json!({"sql": "INSERT INTO written (n) VALUES (1)"}));
        let failing = |key: &str| {
            node(key, "sql", json!({"dataSource": "erp", "sql": "INSERT INTO nowhere VALUES (1)"}))
        };
        let count = async || {
            let own = beside.server.number("SELECT COUNT(*) FROM written").await;
            (own, beside.total("SELECT COUNT(*) FROM erp_customers WHERE name = 'in'").await)
        };
        let around = |source: &str, branch: Vec<Node>| {
            [node("t", "transaction", json!({"dataSource": source})).branch(1, branch)]
        };
        // Of its own source nothing is left, of the other one what was written.
        let failed = beside.run(&around("erp", vec![erp("a"), own("b"), failing("c")])).await;
        assert_eq!((count().await, failed[0].0), ((1, 0), -2), "{main} and {source}: {failed:?}");
        let kept = beside.run(&around("erp", vec![erp("a"), own("b")])).await;
        assert_eq!((count().await, kept[0].0), ((2, 1), 1), "{main} and {source}: {kept:?}");
        // One of NocoBase's own database.
        let failed = beside.run(&around("main", vec![erp("a"), own("b"), failing("c")])).await;
        assert_eq!((count().await, failed[0].0), ((2, 2), -2), "{main} and {source}: {failed:?}");
        // One within the other.
        let inner = node("u", "transaction", json!({"dataSource": "erp"})).branch(1, vec![erp("a")]);
        let kept = beside.run(&around("main", vec![own("b"), inner])).await;
        assert_eq!((count().await, kept[0].0), ((3, 3), 1), "{main} and {source}: {kept:?}");
        beside.stop().await;
    }
}

#[tokio::test]
async fn a_node_of_a_source_that_only_nocobase_reaches_is_left_to_it() {
    let Some(main) = TestDatabase::create(Kind::Sqlite).await else { return };
    let settings = [("SIDEHOOK_NOCOBASE_URL", "http://127.0.0.1:1"), ("SIDEHOOK_NOCOBASE_API_KEY", "k")];
    let server = TestServer::start_with(&main, &settings).await;
    prepare(&server).await;
    put(&server, "old", "oracle", true, &json!({})).await;
    let nodes = [node("q", "query", json!({"collection": "old:orders", "params": {}}))];
    let hook = workflow("k", false, &json!({}), &nodes);
    server.add(&hook).await;
    server.post("k", &json!({})).await;
    let handed = async || server.count(Table::Handovers).await == 1;
    until(handed, || "nothing was handed over".to_owned()).await;
    let execution = server.executions(hook.id).await.remove(0);
    let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
    assert_eq!((&jobs[0]["status"], jobs.len()), (&json!(0), 1), "pending, for NocoBase to run");
    server.stop_in_the_middle().await;
}
