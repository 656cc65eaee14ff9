//! What is in a database already: tables, columns, indexes. On PostgreSQL those of the schema that a session has entered.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, Value};

/// Whether there is a table of that name; views are none.
pub(crate) async fn has_table(transaction: &DatabaseTransaction, table: &str) -> Result<bool, DbErr> {
    let sql = match transaction.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() \
             AND table_type = 'BASE TABLE' AND table_name = $1"
        }
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
        _ => "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
    };
    any(transaction, sql, [table]).await
}

/// Whether a table has a column of that name.
pub(crate) async fn has_column(
    transaction: &DatabaseTransaction,
    table: &str,
    column: &str,
) -> Result<bool, DbErr> {
    let sql = match transaction.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() \
             AND table_name = $1 AND column_name = $2"
        }
        DbBackend::Sqlite => "SELECT 1 FROM pragma_table_info(?) WHERE name = ?",
        _ => {
            "SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() \
             AND table_name = ? AND column_name = ?"
        }
    };
    any(transaction, sql, [table, column]).await
}

/// Whether a table has an index of that name.
pub(crate) async fn has_index(
    transaction: &DatabaseTransaction,
    table: &str,
    index: &str,
) -> Result<bool, DbErr> {
    let sql = match transaction.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT 1 FROM pg_indexes WHERE schemaname = current_schema() AND tablename = $1 AND indexname = $2"
        }
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND name = ?",
        _ => {
            "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() \
             AND table_name = ? AND index_name = ?"
        }
    };
    any(transaction, sql, [table, index]).await
}

/// Whether a query has any row.
async fn any<const N: usize>(
    transaction: &DatabaseTransaction,
    sql: &str,
    names: [&str; N],
) -> Result<bool, DbErr> {
    let backend = transaction.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, names.map(Value::from));
    Ok(transaction.query_one_raw(statement).await?.is_some())
}
