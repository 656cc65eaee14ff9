//! What a connection must not bring back to the pool: a level that was set for a transaction that never began, and
//! statements that are older than a change of their tables.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, IsolationLevel, Statement, TransactionTrait};
use sidehook::collection::Collections;

use crate::databases::Kind;
use crate::rows::Rows;
use crate::server::{on_databases, prepare};

/// The level of a transaction, once it has read something.
async fn level(tx: &DatabaseTransaction) -> String {
    let one = async |sql: &str| {
        let statement = Statement::from_string(tx.get_database_backend(), sql);
        tx.query_one_raw(statement).await.expect("an answer").expect("a row")
    };
    one("SELECT COUNT(*) FROM workflows").await;
    // The server keeps what it tells of transactions for 0.1 seconds.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let own = "SELECT CAST(trx_isolation_level AS char) FROM information_schema.innodb_trx \
               WHERE trx_mysql_thread_id = CONNECTION_ID()";
    one(own).await.try_get_by_index(0).expect("a level")
}

/// MySQL has the level set by a statement of its own before BEGIN, and the work may be cut off in between.
#[tokio::test]
async fn a_level_that_was_set_for_a_transaction_goes_with_it() {
    on_databases(&[Kind::Mysql], async |database| {
        let rows = Rows { store: prepare(&database, &[("DB_POOL_MAX", "1")]).await };
        let pool = &rows.store.db;
        let of_next = async || {
            let tx = pool.begin().await.expect("a transaction");
            let found = level(&tx).await;
            tx.rollback().await.expect("it ends");
            found
        };
        let usual = of_next().await;
        assert_ne!(usual, "SERIALIZABLE");
        let with_level = pool.as_sea_orm().begin_with_config(Some(IsolationLevel::Serializable), None).await;
        let tx = with_level.expect("a transaction");
        assert_eq!(level(&tx).await, "SERIALIZABLE", "{}", database.product);
        tx.commit().await.expect("it ends");
        assert_eq!(of_next().await, usual, "{}", database.product);
        let cut_off = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
        pool.execute_unprepared(cut_off).await.expect("the level is set");
        assert_eq!(of_next().await, usual, "{}", database.product);
    })
    .await;
}

/// A transaction cannot go on after such a statement, but those that come must not meet the same connection.
#[tokio::test]
async fn a_stale_statement_in_a_transaction_is_met_once() {
    on_databases(&[Kind::Postgres], async |database| {
        let rows = Rows { store: prepare(&database, &[("DB_POOL_MAX", "1")]).await };
        rows.execute("CREATE TABLE things (n integer)").await;
        let known = Collections::new(rows.store.clone(), "/");
        let read = async || {
            let tx = rows.store.data.begin().await.expect("a transaction");
            let select =
                Statement::from_sql_and_values(tx.get_database_backend(), "SELECT n FROM things", []);
            let read = known.executor(Some(&tx)).query_all_raw(select).await;
            tx.rollback().await.expect("it ends");
            read.map(|rows| rows.len())
        };
        assert_eq!(read().await.expect("no things"), 0);
        rows.execute("ALTER TABLE things ALTER COLUMN n TYPE bigint").await;
        assert!(read().await.is_err(), "the statement was prepared anew, so this shows nothing");
        assert_eq!(read().await.expect("no things"), 0);
    })
    .await;
}
