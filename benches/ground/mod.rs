//! What benches stand on: a database with tables, and what processes take.

pub mod process;

use sidehook::store::Store;

use crate::databases::TestDatabase;

/// Creates the tables of a database without NocoBase.
pub async fn stand_alone(database: &TestDatabase) -> Store {
    let db = sea_orm::Database::connect(&database.url).await.expect("the database opens");
    let names = entity::Names::default();
    migration::stand_alone(&db, &names).await.expect("the tables are created");
    let utc = chrono::FixedOffset::east_opt(0).expect("an offset");
    Store::new(db, names, utc)
}
