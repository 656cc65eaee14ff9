//! Executions that are fetched to be run, as many as have room.

use entity::Table;

use super::waiting::wait;
use crate::rows::Rows;
use crate::server::{on_every_database, prepare};

#[tokio::test]
async fn executions_are_fetched_as_long_as_their_contexts_have_room() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a number").owner;
        let ids = wait(&rows, owner, 1, 4).await;
        // Of 1,000, 2,000, 3,000 and 4,000 bytes.
        for (place, id) in (1..).zip(&ids) {
            write_context(&rows, *id, 1_000 * place).await;
        }
        let mut asked = ids.clone();
        asked.push(5);
        asked.reverse();
        for (room, count) in
            [(0, 1), (999, 1), (2_999, 1), (3_000, 2), (9_999, 3), (10_000, 4), (usize::MAX, 4)]
        {
            let fetch = rows.store.fetch_executions(&asked, room).await.expect("fetched");
            let found: Vec<i64> = fetch.executions.iter().map(|execution| execution.id).collect();
            assert_eq!((&found[..], &fetch.others[..]), ids.split_at(count), "{room}");
            let context = fetch.executions[count - 1].context.as_ref().map(|text| text.0.len());
            assert_eq!(context, Some(1_000 * count));
        }
        let none = rows.store.fetch_executions(&[5], 100).await.expect("fetched");
        assert!(none.executions.is_empty() && none.others.is_empty());
    })
    .await;
}

/// Gives an execution a context of so many bytes.
pub async fn write_context(rows: &Rows, id: i64, bytes: usize) {
    let (table, context, key) = (rows.table(Table::Executions), rows.quoted("context"), rows.quoted("id"));
    // As MySQL writes it, which has a type of its own for JSON.
    let (before, after) = (r#"{"body": ""#, r#""}"#);
    let text = format!("{before}{}{after}", "a".repeat(bytes - before.len() - after.len()));
    rows.execute(&format!("UPDATE {table} SET {context} = '{text}' WHERE {key} = {id}")).await;
}
