//! Users and their roles, which NocoBase's plugins look after, on every database.

use serde_json::json;

use crate::collections::quoted;
use crate::databases::TestDatabase;
use crate::records::{Records, plain};
use crate::server::on_every_database;

/// Users and roles, of which `member` is the default, and people who have roles by a field of theirs.
async fn users(database: &TestDatabase) -> Records {
    let rows = Records::create(database, &[]).await.rows;
    let q = |name: &str| quoted(&rows, name);
    let (flag, time) = match rows.store.codec.backend() {
        sea_orm::DbBackend::Postgres => ("boolean", "timestamptz"),
        _ => ("tinyint(1)", "datetime"),
    };
    let key = "varchar(255)";
    let (user, role) = (q("userId"), q("roleName"));
    let tables = [
        format!("{} ({} {key} PRIMARY KEY, {} {flag})", q("roles"), q("name"), q("default")),
        format!(
            "{} ({} {time}, {} {time}, {} {flag}, {user} bigint, {role} {key}, PRIMARY KEY ({user}, {role}))",
            q("rolesUsers"),
            q("createdAt"),
            q("updatedAt"),
            q("default"),
        ),
    ];
    for table in tables {
        rows.execute(&format!("CREATE TABLE {table}")).await;
    }
    for column in [format!("{} {key}", q("password")), format!("{} bigint", q("passwordChangeTz"))] {
        rows.execute(&format!("ALTER TABLE {} ADD COLUMN {column}", q("users"))).await;
    }
    let roles = json!({"name": "roles", "type": "belongsToMany", "target": "roles", "through": "rolesUsers",
                       "foreignKey": "userId", "otherKey": "roleName", "sourceKey": "id", "targetKey": "name"});
    let records = Records::create(database, &[plain("people", json!([roles]))]).await;
    records
        .insert("roles", &["name", "default"], &["'admin', false", "'member', true", "'root', false"])
        .await;
    records
}

async fn given(records: &Records) -> Vec<String> {
    let [table, user, role] = ["rolesUsers", "userId", "roleName"].map(|name| quoted(&records.rows, name));
    let texts = records.rows.texts(&format!("SELECT {role} FROM {table} ORDER BY {user}, {role}")).await;
    texts.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_new_user_has_the_default_role() {
    on_every_database(async |database| {
        let records = users(&database).await;
        let made = records.create_one("users", json!({"nickname": "A"})).await.expect("it is created");
        assert_eq!(given(&records).await, ["member"], "{}", database.kind);
        assert!(made.get("roles").is_none());
        records.create_one("people", json!({})).await.expect("it is created");
        assert_eq!(given(&records).await, ["member"], "others have no roles");
        records.rows.execute("UPDATE roles SET name = 'staff' WHERE name = 'member'").await;
        records.create_one("users", json!({"nickname": "B"})).await.expect("it is created");
        assert_eq!(given(&records).await, ["member", "staff"], "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn nobody_is_made_root() {
    on_every_database(async |database| {
        let records = users(&database).await;
        let root = json!({"userId": 1, "roleName": "root"});
        let refused = records.create_one("rolesUsers", root).await.expect_err("it is refused");
        assert_eq!(refused.message, "No permissions", "{}", database.kind);
        let by_name =
            records.create_one("people", json!({"roles": ["root"]})).await.expect_err("it is refused");
        assert_eq!(by_name.message, "No permissions");
        records.create_one("people", json!({"roles": ["admin"]})).await.expect("it is created");
        assert_eq!(given(&records).await, ["admin"], "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn a_changed_password_is_noted() {
    on_every_database(async |database| {
        let records = users(&database).await;
        records.create_one("users", json!({"nickname": "A", "password": "a"})).await.expect("it is created");
        let noted = async || records.all("users").await[0]["passwordChangeTz"].clone();
        assert_eq!(records.update("users", json!({"id": 1}), json!({"nickname": "B"})).await, Ok(1));
        assert!(noted().await.is_null(), "{}", database.kind);
        assert_eq!(records.update("users", json!({"id": 1}), json!({"password": "b"})).await, Ok(1));
        assert_eq!(noted().await, 1_795_379_400_123_i64, "{}", database.kind);
    })
    .await;
}
