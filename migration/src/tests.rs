//! The two entry points on SQLite; the other databases are in the integration tests.

use entity::{Names, instance, lease};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, FromQueryResult, Statement,
};

use crate::{MigrationError, own_tables, stand_alone};

/// One connection, because each one has a memory of its own.
async fn empty() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1);
    Database::connect(options).await.expect("a database in memory")
}

async fn run(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql).await.expect(sql);
}

/// The first column of every row.
async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.expect(sql);
    rows.iter().map(|row| row.try_get_by_index(0).expect(sql)).collect()
}

async fn tables(db: &DatabaseConnection) -> Vec<String> {
    texts(db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1")
        .await
}

#[tokio::test]
async fn a_stand_alone_database_is_made_once() {
    let (db, names) = (empty().await, Names::default());
    stand_alone(&db, &names).await.expect("created");
    run(&db, r#"UPDATE "applicationPlugins" SET "createdAt" = '2020-01-01 00:00:00.000 +00:00'"#).await;
    stand_alone(&db, &names).await.expect("nothing to do");
    own_tables(&db, &names).await.expect("nothing to do");

    assert_eq!(
        tables(&db).await,
        [
            "applicationPlugins",
            "environmentVariables",
            "executions",
            "flow_nodes",
            "jobs",
            "sidehook_handovers",
            "sidehook_instances",
            "sidehook_leases",
            "sidehook_listening",
            "sidehook_migrations",
            "sidehook_requests",
            "sidehook_settings",
            "sidehook_timers",
            "workflowStats",
            "workflowVersionStats",
            "workflows",
        ]
    );
    let epoch = r#"SELECT "createdAt" FROM "applicationPlugins" WHERE "name" = 'workflow'"#;
    assert_eq!(texts(&db, epoch).await, ["2020-01-01 00:00:00.000 +00:00"]);
}

#[tokio::test]
async fn the_epoch_of_job_ids_is_written_as_nocobase_writes_times() {
    let db = empty().await;
    stand_alone(&db, &Names::default()).await.expect("created");
    let written = texts(&db, r#"SELECT "createdAt" FROM "applicationPlugins""#).await;
    let shape: String = written[0].chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00 00:00:00.000 +00:00");
}

#[tokio::test]
async fn stand_alone_refuses_where_the_tables_are_not_its_own() {
    let (db, names) = (empty().await, Names::default());
    run(&db, "CREATE TABLE workflows (id INTEGER PRIMARY KEY)").await;
    let refusal = stand_alone(&db, &names).await.expect_err("somebody else's table");
    assert!(matches!(&refusal, MigrationError::NocoBaseFound { table } if table == "workflows"));
    assert!(refusal.to_string().contains("without --stand-alone"), "{refusal}");
    assert_eq!(tables(&db).await, ["workflows"]);

    // Having its own tables there doesn't make the others its own.
    own_tables(&db, &names).await.expect("created");
    let refusal = stand_alone(&db, &names).await.expect_err("still somebody else's table");
    assert!(matches!(refusal, MigrationError::NocoBaseFound { .. }));
}

#[tokio::test]
async fn own_tables_are_made_beside_those_of_nocobase() {
    let (db, names) = (empty().await, Names::default());
    run(&db, "CREATE TABLE workflows (id INTEGER PRIMARY KEY)").await;
    own_tables(&db, &names).await.expect("created");
    own_tables(&db, &names).await.expect("nothing to do");
    assert_eq!(
        tables(&db).await,
        [
            "sidehook_handovers",
            "sidehook_instances",
            "sidehook_leases",
            "sidehook_listening",
            "sidehook_migrations",
            "sidehook_requests",
            "sidehook_settings",
            "sidehook_timers",
            "workflows"
        ]
    );
}

#[tokio::test]
async fn own_tables_hold_the_rows_of_the_entities() {
    let db = empty().await;
    run(&db, "CREATE TABLE workflows (id INTEGER PRIMARY KEY)").await;
    own_tables(&db, &Names::default()).await.expect("created");
    run(&db, "INSERT INTO sidehook_instances VALUES (31, 2, 't', 1795313313000, 1795313314000)").await;
    run(&db, "INSERT INTO sidehook_leases (execution_id) VALUES (360000000000001)").await;

    let select = |sql: &str| Statement::from_string(DbBackend::Sqlite, sql);
    let instances =
        instance::Model::find_by_statement(select("SELECT * FROM sidehook_instances")).all(&db).await;
    let instance = instance::Model {
        id: 31,
        generation: 2,
        token: "t".into(),
        heartbeat_at: 1795313313000,
        ids_used_until: 1795313314000,
    };
    assert_eq!(instances.expect("read"), [instance]);
    let leases = lease::Model::find_by_statement(select("SELECT * FROM sidehook_leases")).all(&db).await;
    let lease = lease::Model {
        execution_id: 360000000000001,
        instance_id: None,
        generation: None,
        workflow_id: None,
        position: None,
        due_at: 0,
    };
    assert_eq!(leases.expect("read"), [lease]);
}

#[tokio::test]
async fn prefix_and_snake_case_apply_to_tables_columns_and_indexes() {
    let (db, names) = (empty().await, Names::new(None, "nb_", true));
    stand_alone(&db, &names).await.expect("created");
    stand_alone(&db, &names).await.expect("nothing to do");
    assert_eq!(
        tables(&db).await,
        [
            "nb_application_plugins",
            "nb_environment_variables",
            "nb_executions",
            "nb_flow_nodes",
            "nb_jobs",
            "nb_workflow_stats",
            "nb_workflow_version_stats",
            "nb_workflows",
            "sidehook_nb_handovers",
            "sidehook_nb_instances",
            "sidehook_nb_leases",
            "sidehook_nb_listening",
            "sidehook_nb_migrations",
            "sidehook_nb_requests",
            "sidehook_nb_settings",
            "sidehook_nb_timers",
        ]
    );
    assert_eq!(
        texts(&db, "SELECT name FROM pragma_table_info('nb_jobs')").await,
        [
            "created_at",
            "updated_at",
            "id",
            "execution_id",
            "node_id",
            "node_key",
            "upstream_id",
            "status",
            "meta",
            "result",
            "started_at",
            "log",
        ]
    );
    assert_eq!(
        texts(&db, "SELECT name FROM pragma_index_list('nb_jobs') ORDER BY name").await,
        ["nb_jobs_execution_id", "nb_jobs_node_id", "nb_jobs_upstream_id"]
    );
}

#[tokio::test]
async fn nothing_is_created_in_a_database_without_nocobase() {
    let (db, names) = (empty().await, Names::new(None, "nb_", false));
    run(&db, "CREATE TABLE workflows (id INTEGER PRIMARY KEY)").await;
    let refusal = own_tables(&db, &names).await.expect_err("another prefix");
    assert!(matches!(&refusal, MigrationError::NoNocoBase { table, .. } if table == "nb_workflows"));
    assert!(refusal.to_string().contains("DB_TABLE_PREFIX"), "{refusal}");
    assert_eq!(tables(&db).await, ["workflows"]);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let (db, names) = (empty().await, Names::default());
    run(&db, "CREATE TABLE workflows (id INTEGER PRIMARY KEY)").await;
    own_tables(&db, &names).await.expect("created");
    run(&db, "INSERT INTO sidehook_migrations VALUES ('m20991231_000001_from_the_future', 0)").await;
    let refusal = own_tables(&db, &names).await.expect_err("not known here");
    assert!(
        matches!(refusal, MigrationError::Newer { version } if version == "m20991231_000001_from_the_future")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_wait_for_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("db.sqlite").display());
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        starts.spawn(async move {
            let db = Database::connect(url).await.expect("a database file");
            stand_alone(&db, &Names::default()).await
        });
    }
    for outcome in starts.join_all().await {
        outcome.expect("created or nothing to do");
    }
}
