//! The PostgreSQL schema (`DB_SCHEMA`) that holds the tables; the other databases have none.

use entity::Names;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

use crate::{MigrationError, applied::Scope};

const EXISTS: &str = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
const ENTER: &str = "SELECT set_config('search_path', quote_ident($1), true)";

/// Makes the schema the one in which tables are looked for and created until the end of the transaction,
/// because the name of a migration table can't carry a schema.
///
/// A missing schema is created for a stand-alone database and reported otherwise.
pub(crate) async fn enter(
    transaction: &DatabaseTransaction,
    names: &Names,
    scope: Scope,
) -> Result<(), MigrationError> {
    let Some(schema) = names.schema() else { return Ok(()) };
    // Asked first, because `IF NOT EXISTS` needs the right to create schemas even where there is nothing to do.
    if transaction.query_one_raw(about(schema, EXISTS)).await?.is_none() {
        if scope == Scope::Own {
            return Err(MigrationError::NoSchema { schema: schema.to_owned() });
        }
        create(transaction, schema).await?;
    }
    transaction.execute_raw(about(schema, ENTER)).await?;
    Ok(())
}

async fn create(transaction: &DatabaseTransaction, schema: &str) -> Result<(), DbErr> {
    let quoted = schema.replace('"', "\"\"");
    transaction.execute_unprepared(&format!("CREATE SCHEMA \"{quoted}\"")).await?;
    Ok(())
}

fn about(schema: &str, sql: &str) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, [schema.into()])
}
