//! What `sidehook check` says of rights: the list in docs/database.md is enough, and each that is missing is named.

use serde_json::json;

use super::check::{check, prepared};
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::rows::Rows;
use crate::server::on_databases;

/// The statements of docs/database.md, for another user.
fn documented(user: &str) -> Vec<String> {
    let document = include_str!("../../../docs/database.md");
    let grants = document.lines().filter(|line| line.starts_with("GRANT ") && line.ends_with(" TO hook;"));
    grants.map(|line| line.replace(" TO hook;", &format!(" TO {user}"))).collect()
}

/// In the words of this database.
async fn execute(rows: &Rows, kind: Kind, statement: &str) {
    let statement = if kind == Kind::Mysql { statement.replace('"', "`") } else { statement.to_owned() };
    // MySQL takes one table at a time.
    let (head, rest) = statement.split_once(" ON ").expect("a statement about tables");
    let (tables, tail) = match rest.split_once(" TO ") {
        Some((tables, user)) => (tables, format!(" TO {user}")),
        None => {
            let (tables, user) = rest.split_once(" FROM ").expect("a user");
            (tables, format!(" FROM {user}"))
        }
    };
    for table in tables.split(", ") {
        rows.execute(&format!("{head} ON {table}{tail}")).await;
    }
}

#[tokio::test]
async fn the_documented_rights_are_enough_and_each_that_is_missing_is_named() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let (rows, kind) = (prepared(&database).await, database.kind);
        let user = format!("sh_{:08x}", rand::random::<u32>());
        let create = if kind == Kind::Mysql { "USER" } else { "ROLE" };
        let password = if kind == Kind::Mysql { "IDENTIFIED BY 'secret'" } else { "LOGIN PASSWORD 'secret'" };
        rows.execute(&format!("CREATE {create} {user} {password}")).await;
        let grants = documented(&user);
        assert_eq!(grants.len(), 4, "{grants:?}");
        for grant in &grants {
            execute(&rows, kind, grant).await;
        }
        let settings = [("DB_USER", user.as_str()), ("DB_PASSWORD", "secret")];
        let complete = check(&database, &settings).await;
        assert!(complete.succeeded && !complete.printed.contains("GRANT"), "{complete:?}");
        let missing = [
            ("INSERT", "executions"),
            ("INSERT, UPDATE", "jobs"),
            ("UPDATE", "\"workflowStats\""),
            ("DELETE", "sidehook_leases"),
            ("INSERT", "sidehook_timers"),
            ("SELECT", "flow_nodes"),
            ("UPDATE", "sidehook_instances"),
        ];
        for (rights, table) in missing {
            execute(&rows, kind, &format!("REVOKE {rights} ON {table} FROM {user}")).await;
            let outcome = check(&database, &settings).await;
            execute(&rows, kind, &format!("GRANT {rights} ON {table} TO {user}")).await;
            assert!(!outcome.succeeded, "{rights} on {table}: {outcome:?}");
            let table =
                if kind == Kind::Mysql { format!("`{}`", table.replace('"', "")) } else { table.to_owned() };
            outcome.has(&format!("GRANT {rights} ON {table} TO "));
        }
        notifications_are_asked_for(&database, &rows, &settings).await;
        if kind == Kind::Postgres {
            rows.execute(&format!("DROP OWNED BY {user}")).await;
        }
        rows.execute(&format!("DROP {create} {user}")).await;
    })
    .await;
}

/// What only workflows with notifications need, on tables that are there.
async fn notifications_are_asked_for(database: &TestDatabase, rows: &Rows, settings: &[(&str, &str)]) {
    let kind = database.kind;
    let quoted = |name: &str| if kind == Kind::Mysql { format!("`{name}`") } else { format!("\"{name}\"") };
    let needed = [
        ("notificationChannels", "SELECT"),
        ("notificationSendLogs", "SELECT, INSERT"),
        ("notificationInAppMessages", "SELECT, INSERT"),
    ];
    for (table, _) in needed {
        let columns = format!("id bigint, name varchar(255), {} varchar(255)", quoted("notificationType"));
        rows.execute(&format!("CREATE TABLE {} ({columns})", quoted(table))).await;
    }
    let user = settings[0].1;
    assert!(!check(database, settings).await.printed.contains("notifications need"));
    let told = node("told", "notification", json!({"channelName": "mails"}));
    rows.add(&workflow("told", false, &json!({}), &[told])).await;
    let outcome = check(database, settings).await;
    for (table, right) in needed {
        let table = quoted(table);
        outcome.has(&format!("notifications need {right} on {table}: GRANT {right} ON {table} TO "));
        rows.execute(&format!("GRANT {right} ON {table} TO {user}")).await;
    }
    assert!(!check(database, settings).await.printed.contains("notifications need"));
}

#[tokio::test]
async fn the_way_to_the_database_is_told() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        prepared(&database).await;
        let plain = check(&database, &[("DB_DIALECT_OPTIONS_SSL_MODE", "disable")]).await;
        if database.kind == Kind::Postgres {
            plain.has("Connection         not encrypted\n");
        }
        let untold = check(&database, &[]).await;
        let text = if database.kind == Kind::Postgres { "not encrypted" } else { "encrypted" };
        untold.has(text);
    })
    .await;
}
