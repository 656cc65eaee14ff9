//! What `sidehook check` says of the data that nodes work on, and the rights that it prints.

use sea_orm::{ConnectionTrait, Database, DbBackend};
use serde_json::json;

use super::check::{add_user, check, prepared, remove_user, sidehook};
use crate::collections;
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::node::sources;
use crate::server::on_databases;

#[tokio::test]
async fn rights_on_the_tables_of_nodes_are_told_once() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = prepared(&database).await;
        let field = |name: &str| json!({"name": name, "type": "string"});
        let payloads = [json!({"name": "orders", "fields": [field("note")]}), json!({"name": "notes", "fields": [field("text")]})];
        collections::create(&rows, &payloads).await;
        let create = |key: &str| node(key, "create", json!({"collection": "orders", "params": {"values": {"note": "n"}}}));
        let nodes = [
            create("a"),
            create("b"),
            node("c", "destroy", json!({"collection": "orders", "params": {"filter": {"id": 1}}})),
            node("d", "query", json!({"collection": "notes", "params": {}})),
            node("e", "query", json!({"collection": "gone", "params": {}})),
        ];
        rows.add(&workflow("first", true, &json!({}), &nodes)).await;
        rows.add(&workflow("second", true, &json!({}), &[create("a")])).await;
        let name = format!("sh_{:08x}", rand::random::<u32>());
        add_user(&rows, &name).await;
        let is_postgres = rows.store.codec.backend() == DbBackend::Postgres;
        let user = [("DB_USER", &*name), ("DB_PASSWORD", "secret")];
        let good = check(&database, &user).await;
        // MySQL cannot take a right on a table from one who has it on all.
        let outcome = if is_postgres {
            rows.execute(&format!("REVOKE INSERT, DELETE ON orders FROM {name}; REVOKE ALL ON notes FROM {name}")).await;
            Some(check(&database, &user).await)
        } else {
            let given = "workflows flow_nodes applicationPlugins environmentVariables executions jobs workflowStats \
                         workflowVersionStats collections fields orders";
            rows.execute(&format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {name}")).await;
            for table in given.split_whitespace() {
                let rights = if table == "orders" { "SELECT" } else { "SELECT, INSERT, UPDATE, DELETE" };
                rows.execute(&format!("GRANT {rights} ON `{table}` TO {name}")).await;
            }
            Some(check(&database, &user).await)
        };
        let printed = grants(&database, &name).await;
        remove_user(&rows, &name).await;
        assert!(!good.printed.contains("lacks"), "{good:?}");
        good.has("there is no collection gone, and no table of its name that this user may see: nodes that use it fail (of \"first\")");
        let outcome = outcome.expect("it was checked");
        let line = outcome.printed.lines().filter(|line| line.contains("lacks INSERT, DELETE on")).collect::<Vec<_>>();
        assert!(line.len() == 1 && line[0].ends_with("(of \"first\", \"second\")"), "{outcome:?}");
        assert!(line[0].contains("GRANT INSERT, DELETE ON"), "{outcome:?}");
        if is_postgres {
            outcome.has("lacks SELECT on \"notes\": GRANT SELECT ON \"notes\" TO");
        }
        let quote = if is_postgres { '"' } else { '`' };
        for line in [
            format!("GRANT SELECT, INSERT, DELETE ON {quote}orders{quote} TO {name};"),
            format!("GRANT SELECT ON {quote}notes{quote} TO {name};"),
        ] {
            assert!(printed.contains(&line), "{line} is missing in {printed}");
        }
        assert!(printed.contains("GRANT SELECT, INSERT, UPDATE, DELETE ON"), "{printed}");
    })
    .await;
}

/// What `check --grants` prints for a user.
async fn grants(database: &TestDatabase, user: &str) -> String {
    let environment = database.env();
    let pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let outcome = sidehook(&["check", "--grants", user], &pairs).await;
    assert!(outcome.succeeded, "{outcome:?}");
    outcome.printed
}

#[tokio::test]
async fn printed_rights_are_enough() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = prepared(&database).await;
        collections::create(
            &rows,
            &[json!({"name": "orders", "fields": [{"name": "note", "type": "string"}]})],
        )
        .await;
        migration::own_tables(rows.store.db.as_sea_orm(), &rows.store.names)
            .await
            .expect("the tables are created");
        let nodes =
            [node("a", "create", json!({"collection": "orders", "params": {"values": {"note": "n"}}}))];
        rows.add(&workflow("k", true, &json!({}), &nodes)).await;
        let name = format!("sh_{:08x}", rand::random::<u32>());
        let create = match rows.store.codec.backend() {
            DbBackend::Postgres => format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'"),
            _ => format!("CREATE USER {name} IDENTIFIED BY 'secret'"),
        };
        rows.execute(&create).await;
        for statement in grants(&database, &name).await.lines() {
            rows.execute(statement).await;
        }
        let outcome = check(&database, &[("DB_USER", &*name), ("DB_PASSWORD", "secret")]).await;
        remove_user(&rows, &name).await;
        assert!(outcome.succeeded && !outcome.printed.contains("lacks"), "{outcome:?}");
        assert!(!outcome.printed.contains("there is no"), "{outcome:?}");
    })
    .await;
}

#[tokio::test]
async fn data_sources_are_looked_at() {
    let (Some(main), Some(erp)) =
        (TestDatabase::create(Kind::Sqlite).await, TestDatabase::create(Kind::Postgres).await)
    else {
        return;
    };
    let rows = prepared(&main).await;
    sources::prepare(&rows).await;
    let connection = Database::connect(&erp.url).await.expect("the source opens");
    connection
        .execute_unprepared("CREATE TABLE orders (id serial PRIMARY KEY, note text)")
        .await
        .expect("created");
    let name = format!("sh_{:08x}", rand::random::<u32>());
    let setup = format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'; GRANT SELECT ON orders TO {name}");
    connection.execute_unprepared(&setup).await.expect("a user");
    let mut options = sources::options(&erp);
    (options["username"], options["password"]) = (json!(name), json!("secret"));
    sources::put(&rows, "erp", "postgres", true, &options).await;
    let away =
        json!({"host": "127.0.0.1", "port": 1, "username": "u", "password": "hunter2", "database": "d"});
    sources::put(&rows, "away", "mysql", true, &away).await;
    sources::put(&rows, "rest", "rest-api", true, &json!({})).await;
    let query =
        |key: &str, collection: &str| node(key, "query", json!({"collection": collection, "params": {}}));
    let nodes = [
        node(
            "a",
            "update",
            json!({"collection": "erp:orders", "params": {"filter": {"id": 1}, "values": {"note": "n"}}}),
        ),
        query("b", "erp:gone"),
        query("c", "away:orders"),
        query("d", "rest:orders"),
        query("e", "none:orders"),
    ];
    rows.add(&workflow("k", true, &json!({}), &nodes)).await;
    let outcome = check(&main, &[]).await;
    connection.execute_unprepared(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await.expect("it goes");
    connection.close().await.expect("the connection closes");
    for text in [
        &format!(
            "the user {name} lacks UPDATE on \"orders\" in the data source \"erp\": GRANT UPDATE ON \"orders\" TO {name} (of \"k\")"
        ),
        "the data source \"erp\" has no collection gone that its user may see: nodes that use it fail",
        "the data source \"away\" cannot be reached",
        "the data source \"rest\" is of the type \"rest-api\"",
        "there is no data source \"none\": its nodes fail",
        "note             what is written to the data source \"erp\" is not in one transaction with its job",
    ] {
        outcome.has(text);
    }
    assert!(outcome.succeeded && !outcome.printed.contains("hunter2"), "{outcome:?}");
}

#[tokio::test]
async fn without_data_nodes_nobody_needs_to_read_collections() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = prepared(&database).await;
        collections::prepare(&rows).await;
        let name = format!("sh_{:08x}", rand::random::<u32>());
        let create = match rows.store.codec.backend() {
            DbBackend::Postgres => format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'"),
            _ => format!("CREATE USER {name} IDENTIFIED BY 'secret'"),
        };
        rows.execute(&create).await;
        let is_about_collections = |line: &&str| line.contains("collections") || line.contains("fields");
        let printed = grants(&database, &name).await;
        for statement in printed.lines().filter(|line| !is_about_collections(line)) {
            rows.execute(statement).await;
        }
        let user = [("DB_USER", &*name), ("DB_PASSWORD", "secret")];
        let without = check(&database, &user).await;
        let nodes = [node("q", "query", json!({"collection": "orders", "params": {}}))];
        rows.add(&workflow("k", true, &json!({}), &nodes)).await;
        let with = check(&database, &user).await;
        remove_user(&rows, &name).await;
        let text = "what data nodes need cannot be looked at: the database user lacks a right";
        assert!(without.succeeded && !without.printed.contains(text), "{without:?}");
        assert!(with.succeeded && with.printed.contains(text), "{with:?}");
    })
    .await;
}
