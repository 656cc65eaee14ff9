//! What the database says of user tables: NocoBase's `collections` and `fields`, and the columns of tables
//! that are in neither because a plugin defines them in code. What it means is up to `collection`.

use entity::{Table, collection, field};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Order, QueryResult, Statement};
use sha2::{Digest, Sha256};

use super::Store;
use super::fault::Fault;

/// The rows of `collections` and `fields`, in NocoBase's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    pub collections: Vec<collection::Model>,
    pub fields: Vec<field::Model>,
}

/// A column of a table as the database describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    pub name: String,
    /// The database's own name of the type in lower case: `int8`, `varchar`, `tinyint(1)`.
    pub type_name: String,
    /// Whether the column is the primary key or a part of it.
    pub is_primary_key: bool,
}

const COLLECTION_FIELDS: [&str; 2] = ["name", "options"];
const FIELD_FIELDS: [&str; 6] = ["name", "type", "interface", "collectionName", "options", "sort"];

impl Store {
    /// A text that differs when any row of `collections` or `fields` differs: these tables have no times.
    /// `None` where the tables do not exist.
    pub async fn metadata_digest(&self) -> Result<Option<String>, DbErr> {
        let mut digests = Vec::new();
        for (table, fields) in
            [(Table::Collections, &COLLECTION_FIELDS[..]), (Table::Fields, &FIELD_FIELDS[..])]
        {
            match self.rows_digest(table, fields).await {
                Err(err) if Fault::of(&err) == Fault::MissingTable => return Ok(None),
                digest => digests.push(digest?),
            }
        }
        Ok(Some(digests.join(" ")))
    }

    /// All collections and fields. Empty where the tables do not exist.
    pub async fn metadata(&self) -> Result<Metadata, DbErr> {
        let rows = match self.metadata_rows(Table::Collections, &["name"], &["options"], "name").await {
            Err(err) if Fault::of(&err) == Fault::MissingTable => return Ok(Metadata::default()),
            rows => rows?,
        };
        let collections: Result<_, DbErr> =
            rows.iter().map(|row| collection::Model::from_query_result(row, "")).collect();
        let plain = ["name", "type", "interface", "collectionName"];
        let rows = self.metadata_rows(Table::Fields, &plain, &["options"], "sort").await?;
        let fields: Result<_, DbErr> =
            rows.iter().map(|row| field::Model::from_query_result(row, "")).collect();
        Ok(Metadata { collections: collections?, fields: fields? })
    }

    /// The columns of a table in their order; empty when there is no such table.
    pub async fn table_columns(&self, schema: Option<&str>, table: &str) -> Result<Vec<TableColumn>, DbErr> {
        let backend = self.codec.backend();
        let (sql, values): (&str, Vec<sea_orm::Value>) = match backend {
            DbBackend::Postgres => (POSTGRES_COLUMNS, vec![table.into(), schema.map(str::to_owned).into()]),
            DbBackend::MySql => (MYSQL_COLUMNS, vec![table.into()]),
            _ => (SQLITE_COLUMNS, vec![table.into()]),
        };
        let rows = self.db.query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
        rows.iter().map(table_column).collect()
    }

    async fn metadata_rows(
        &self,
        table: Table,
        plain: &[&str],
        json: &[&str],
        order: &str,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, plain);
        self.select_json(&mut select, json);
        select
            .from(self.table(table))
            .order_by(self.column(order), Order::Asc)
            .order_by(self.column("name"), Order::Asc);
        self.db.query_all(&select).await
    }

    /// The servers calculate it, so that the rows do not travel every second; SQLite has no hash function,
    /// and its rows do not travel at all.
    pub(super) async fn rows_digest(&self, table: Table, fields: &[&str]) -> Result<String, DbErr> {
        let text = match self.codec.backend() {
            DbBackend::Postgres => "CAST({} AS text)",
            DbBackend::MySql => "CAST({} AS char)",
            _ => return self.rows_digest_here(table, fields).await,
        };
        let quote = if self.codec.backend() == DbBackend::MySql { '`' } else { '"' };
        let columns = fields.iter().map(|field| {
            let column = format!("{quote}{}{quote}", self.names.column_name(field));
            format!("COALESCE({}, CHR0)", text.replace("{}", &column))
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let expression = match self.codec.backend() {
            DbBackend::Postgres => {
                let row = format!("md5(concat_ws(chr(31), {}))", columns.replace("CHR0", "chr(30)"));
                format!("COALESCE(md5(string_agg({row}, '' ORDER BY {row})), '')")
            }
            _ => {
                // The only hash that MySQL 9 has left.
                let columns = columns.replace("CHR0", "char(30)");
                let row = format!("sha2(concat_ws(char(31), {columns}), 256)");
                let half = |start| format!("COALESCE(SUM(CONV(SUBSTR({row}, {start}, 12), 16, 10)), 0)");
                format!("CONCAT(COUNT(*), '-', {}, '-', {})", half(1), half(13))
            }
        };
        let mut select = Query::select();
        select.expr(Expr::cust(expression)).from(self.table(table));
        let row = self.db.query_one(&select).await?;
        row.map_or(Ok(String::new()), |row| row.try_get_by_index(0))
    }

    async fn rows_digest_here(&self, table: Table, fields: &[&str]) -> Result<String, DbErr> {
        let mut select: SelectStatement = Query::select();
        for field in fields {
            let column = Expr::col(self.column(field));
            select.expr(column.if_null(Expr::val("\u{1e}")).cast_as("text"));
        }
        select.from(self.table(table)).order_by(self.column("key"), Order::Asc);
        let mut digest = Sha256::new();
        for row in self.db.query_all(&select).await? {
            for index in 0..fields.len() {
                digest.update(row.try_get_by_index::<String>(index)?);
                digest.update([0x1f]);
            }
        }
        Ok(hex::encode(digest.finalize()))
    }
}

/// `$2` is the schema; without one the first of the search path that has the table.
const POSTGRES_COLUMNS: &str = "\
SELECT a.attname::text AS name, \
       CASE WHEN t.typtype = 'd' THEN b.typname ELSE t.typname END::text AS type_name, \
       COALESCE(a.attnum = ANY (i.indkey::int2[]), false) AS is_primary_key \
FROM pg_attribute a \
JOIN pg_class c ON c.oid = a.attrelid \
JOIN pg_type t ON t.oid = a.atttypid \
LEFT JOIN pg_type b ON b.oid = t.typbasetype \
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped \
  AND c.oid = to_regclass(CASE WHEN $2::text IS NULL THEN quote_ident($1) \
                          ELSE quote_ident($2::text) || '.' || quote_ident($1) END) \
ORDER BY a.attnum";

/// MariaDB's JSON is `longtext` with the collation `utf8mb4_bin`, which nothing else of NocoBase's has.
const MYSQL_COLUMNS: &str = "\
SELECT column_name AS name, \
       CASE WHEN data_type = 'longtext' AND collation_name = 'utf8mb4_bin' THEN 'json' \
            ELSE LOWER(column_type) END AS type_name, \
       column_key = 'PRI' AS is_primary_key \
FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position";

const SQLITE_COLUMNS: &str =
    "SELECT name, lower(type) AS type_name, pk > 0 AS is_primary_key FROM pragma_table_info(?) ORDER BY cid";

fn table_column(row: &QueryResult) -> Result<TableColumn, DbErr> {
    Ok(TableColumn {
        name: text(row, "name")?,
        type_name: text(row, "type_name")?,
        is_primary_key: flag(row, "is_primary_key")?,
    })
}

/// A text of a catalog: MySQL gives those of its information schema as bytes at times.
pub(super) fn text(row: &QueryResult, name: &str) -> Result<String, DbErr> {
    match row.try_get::<String>("", name) {
        Ok(text) => Ok(text),
        Err(_) => Ok(String::from_utf8_lossy(&row.try_get::<Vec<u8>>("", name)?).into_owned()),
    }
}

/// Whether something holds, which all but PostgreSQL say with a number.
pub(super) fn flag(row: &QueryResult, name: &str) -> Result<bool, DbErr> {
    match row.try_get::<bool>("", name) {
        Ok(flag) => Ok(flag),
        Err(_) => {
            let number =
                row.try_get::<i64>("", name).or_else(|_| row.try_get::<i32>("", name).map(i64::from));
            Ok(number? != 0)
        }
    }
}
