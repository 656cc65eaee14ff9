//! NocoBase's data sources besides the main one: their rows, what NocoBase keeps of their collections and fields, and
//! all columns of a database as it describes them itself.

use std::fmt;

use entity::{JsonText, Table, collection, field};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::Store;
use super::fault::Fault;
use super::metadata::{Metadata, flag, text};

/// A row of `dataSources`.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceRow {
    pub key: String,
    /// `postgres`, `mysql`, `rest-api` and so on.
    pub type_name: String,
    pub is_enabled: bool,
    /// How it is reached; holds passwords.
    pub options: Option<JsonText>,
}

/// Without the options.
impl fmt::Debug for SourceRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRow")
            .field("key", &self.key)
            .field("type_name", &self.type_name)
            .finish_non_exhaustive()
    }
}

/// A column of any table or view of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceColumn {
    pub table: String,
    pub name: String,
    /// The database's own name of the type in lower case: `int8`, `varchar(50)`, `_text` for an array.
    pub type_name: String,
    pub is_primary_key: bool,
    /// Whether the database makes its values: a counter, or a uuid.
    pub is_generated: bool,
    /// Whether a row may do without a value.
    pub allows_null: bool,
}

const COLLECTION_FIELDS: [&str; 3] = ["dataSourceKey", "name", "options"];
const FIELD_FIELDS: [&str; 5] = ["dataSourceKey", "name", "interface", "collectionName", "options"];

impl Store {
    /// All data sources but the main one. None where NocoBase has no such table.
    pub async fn data_sources(&self) -> Result<Vec<SourceRow>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["key", "type", "enabled"]);
        self.select_json(&mut select, &["options"]);
        select.from(self.table(Table::DataSources)).and_where(Expr::col(self.column("key")).ne("main"));
        let rows = match self.db.query_all(&select).await {
            Err(err) if Fault::of(&err) == Fault::MissingTable => return Ok(Vec::new()),
            rows => rows?,
        };
        let read = |row: &QueryResult| {
            Ok(SourceRow {
                key: row.try_get_by_index(0)?,
                type_name: row.try_get_by_index::<Option<String>>(1)?.unwrap_or_default(),
                // NocoBase's default is that it is.
                is_enabled: row.try_get_by_index::<Option<bool>>(2)?.unwrap_or(true),
                options: row.try_get_by_index(3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// A text that differs when what NocoBase keeps of any source's collections and fields differs.
    pub async fn data_sources_digest(&self) -> Result<String, DbErr> {
        let mut digests = Vec::new();
        for (table, fields) in [
            (Table::DataSourcesCollections, &COLLECTION_FIELDS[..]),
            (Table::DataSourcesFields, &FIELD_FIELDS[..]),
        ] {
            match self.rows_digest(table, fields).await {
                Err(err) if Fault::of(&err) == Fault::MissingTable => {}
                digest => digests.push(digest?),
            }
        }
        Ok(digests.join(" "))
    }

    /// What NocoBase keeps of the collections and fields of a source. The types of fields are in their options here.
    pub async fn data_source_metadata(&self, key: &str) -> Result<Metadata, DbErr> {
        let collections = self.kept_rows(Table::DataSourcesCollections, &["name"], key).await?;
        let fields =
            self.kept_rows(Table::DataSourcesFields, &["name", "interface", "collectionName"], key).await?;
        let collection = |row: &QueryResult| -> Result<_, DbErr> {
            Ok(collection::Model { name: row.try_get_by_index(0)?, options: row.try_get_by_index(1)? })
        };
        let field = |row: &QueryResult| -> Result<_, DbErr> {
            Ok(field::Model {
                name: row.try_get_by_index(0)?,
                r#type: None,
                interface: row.try_get_by_index(1)?,
                collection_name: row.try_get_by_index(2)?,
                options: row.try_get_by_index(3)?,
            })
        };
        Ok(Metadata {
            collections: collections.iter().map(collection).collect::<Result<_, _>>()?,
            fields: fields.iter().map(field).collect::<Result<_, _>>()?,
        })
    }

    /// Rows that belong to a source, `options` last, by name.
    async fn kept_rows(&self, table: Table, plain: &[&str], key: &str) -> Result<Vec<QueryResult>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, plain);
        self.select_json(&mut select, &["options"]);
        select
            .from(self.table(table))
            .and_where(Expr::col(self.column("dataSourceKey")).eq(key))
            .and_where(Expr::col(self.column("name")).is_not_null())
            .order_by(self.column("name"), sea_orm::Order::Asc);
        match self.db.query_all(&select).await {
            Err(err) if Fault::of(&err) == Fault::MissingTable => Ok(Vec::new()),
            rows => rows,
        }
    }

    /// The columns of all tables and views of this database, those of a table in their order; on PostgreSQL of one
    /// schema, `public` when none is named.
    pub async fn all_columns(&self, schema: Option<&str>) -> Result<Vec<SourceColumn>, DbErr> {
        let backend = self.codec.backend();
        let (sql, values): (&str, Vec<sea_orm::Value>) = match backend {
            DbBackend::Postgres => (POSTGRES_COLUMNS, vec![schema.unwrap_or("public").into()]),
            DbBackend::MySql => (MYSQL_COLUMNS, Vec::new()),
            _ => (SQLITE_COLUMNS, Vec::new()),
        };
        let rows = self.db.query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
        let read = |row: &QueryResult| {
            Ok(SourceColumn {
                table: text(row, "table_name")?,
                name: text(row, "name")?,
                type_name: text(row, "type_name")?,
                is_primary_key: flag(row, "is_primary_key")?,
                is_generated: flag(row, "is_generated")?,
                allows_null: flag(row, "allows_null")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// What makes values is what NocoBase takes for it: sequences, identities and `uuid_generate_v4`.
const POSTGRES_COLUMNS: &str = "\
SELECT c.relname::text AS table_name, a.attname::text AS name, \
       CASE WHEN t.typtype = 'd' THEN b.typname ELSE t.typname END::text AS type_name, \
       COALESCE(a.attnum = ANY (i.indkey::int2[]), false) AS is_primary_key, \
       (a.attidentity <> '' \
        OR COALESCE(pg_get_expr(d.adbin, d.adrelid) ~ '^(nextval|uuid_generate_v4)[(]', false)) AS is_generated, \
       (NOT a.attnotnull OR d.adbin IS NOT NULL OR a.attidentity <> '') AS allows_null \
FROM pg_attribute a \
JOIN pg_class c ON c.oid = a.attrelid \
JOIN pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_type t ON t.oid = a.atttypid \
LEFT JOIN pg_type b ON b.oid = t.typbasetype \
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
WHERE n.nspname = $1 AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped \
ORDER BY c.relname, a.attnum";

const MYSQL_COLUMNS: &str = "\
SELECT CAST(table_name AS char) AS table_name, CAST(column_name AS char) AS name, \
       LOWER(CAST(column_type AS char)) AS type_name, column_key = 'PRI' AS is_primary_key, \
       extra LIKE '%auto_increment%' AS is_generated, \
       (is_nullable = 'YES' OR column_default IS NOT NULL OR extra LIKE '%auto_increment%') AS allows_null \
FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position";

const SQLITE_COLUMNS: &str = "\
SELECT t.name AS table_name, c.name AS name, lower(c.type) AS type_name, c.pk > 0 AS is_primary_key, \
       (c.pk > 0 AND lower(c.type) = 'integer') AS is_generated, \
       (c.\"notnull\" = 0 OR c.dflt_value IS NOT NULL) AS allows_null \
FROM sqlite_master t, pragma_table_info(t.name) c \
WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.cid";
