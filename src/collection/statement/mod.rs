//! Statements of the sql node: variables, running, and the shapes of results, which differ by database as those of
//! NocoBase's drivers do.

mod lexer;
mod text;

use std::time::Duration;

use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{Column, Row};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

pub use text::replace;

use super::error::thrown;
use super::row;
use crate::expr::{Object, Thrown, Value};
use crate::store::Codec;

/// How much longer than the database sidehook itself waits.
const GRACE: Duration = Duration::from_secs(1);

/// A result and its metadata, as Sequelize's `query` gives them.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub result: Value,
    pub meta: Value,
}

/// Runs statements on connections of one kind.
pub struct Runner<'a, C> {
    pub codec: &'a Codec,
    /// A transaction: what the text says is done together.
    pub db: &'a C,
    /// How long one statement may take.
    pub timeout: Duration,
}

/// What a statement has given.
struct Answer {
    command: String,
    rows: Vec<QueryResult>,
    affected: Option<u64>,
    last_insert_id: u64,
}

impl<C: ConnectionTrait> Runner<'_, C> {
    /// Runs the statements of a text. Throws what the database says, and for statements that would end the
    /// transaction.
    pub async fn run(&self, sql: &str) -> Result<Outcome, Thrown> {
        let backend = self.codec.backend();
        let statements = text::split(sql, backend);
        if let Some(refused) =
            statements.iter().map(|one| text::command(one, backend)).find(|one| ends_transaction(one))
        {
            return Err(Thrown::error(format!(
                "{refused} is not possible here: the statements of this node are part of a transaction already"
            )));
        }
        // SQLite's driver runs the first statement of a text only.
        let statements =
            if backend == DbBackend::Sqlite { statements.into_iter().take(1).collect() } else { statements };
        self.limit(true).await.map_err(|err| thrown(&err, sql))?;
        let mut answers = Vec::new();
        for statement in statements {
            let answer = self.answer(statement).await;
            if answer.is_err() {
                self.limit(false).await.ok();
            }
            answers.push(answer?);
        }
        self.limit(false).await.map_err(|err| thrown(&err, sql))?;
        let shaped = match backend {
            DbBackend::Postgres => self.postgres(sql, &answers),
            DbBackend::MySql => self.mysql(sql, &answers),
            _ => self.sqlite(sql, &answers),
        };
        shaped.map_err(|err| thrown(&err, sql))
    }

    async fn answer(&self, sql: &str) -> Result<Answer, Thrown> {
        let command = text::command(sql, self.codec.backend());
        let statement = Statement::from_string(self.codec.backend(), sql);
        let run = async {
            if gives_rows(&command, sql) {
                let rows = self.db.query_all_raw(statement).await?;
                let affected = Some(rows.len() as u64);
                return Ok(Answer { command, rows, affected, last_insert_id: 0 });
            }
            let done = self.db.execute_raw(statement).await?;
            let counts = matches!(command.as_str(), "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "REPLACE");
            let affected = counts.then(|| done.rows_affected());
            let has_id = self.codec.backend() != DbBackend::Postgres;
            let last_insert_id = if has_id { done.last_insert_id() } else { 0 };
            Ok(Answer { command, rows: Vec::new(), affected, last_insert_id })
        };
        match tokio::time::timeout(self.timeout + GRACE, run).await {
            Ok(answer) => answer.map_err(|err| thrown(&err, sql)),
            Err(_) => Err(Thrown::error(format!("the statement took longer than {:?}", self.timeout))),
        }
    }

    /// Sets or lifts the time that the database itself allows a statement.
    async fn limit(&self, is_on: bool) -> Result<(), DbErr> {
        let limit = match (self.codec.backend(), is_on) {
            // It goes with the transaction; a text may have set its own in between.
            (DbBackend::Postgres, true) => {
                format!("SET LOCAL statement_timeout = {}", self.timeout.as_millis())
            }
            // The first comment is read by MariaDB, the second by MySQL, whose limit is for statements that read.
            (DbBackend::MySql, true) => format!(
                "SET @sidehook = 1 /*M! , SESSION max_statement_time = {} */ \
                 /*!80000 , SESSION max_execution_time = {} */",
                self.timeout.as_secs_f64(),
                self.timeout.as_millis(),
            ),
            (DbBackend::MySql, false) => {
                "SET @sidehook = NULL /*M! , SESSION max_statement_time = DEFAULT */ \
                                          /*!80000 , SESSION max_execution_time = DEFAULT */"
                    .to_owned()
            }
            _ => return Ok(()),
        };
        self.db.execute_unprepared(&limit).await.map(drop)
    }

    fn rows(&self, rows: &[QueryResult]) -> Result<Value, DbErr> {
        Ok(Value::array(rows.iter().map(|row| row::object(row, self.codec)).collect::<Result<_, _>>()?))
    }

    fn postgres(&self, sql: &str, answers: &[Answer]) -> Result<Outcome, DbErr> {
        let mut all = Vec::new();
        for answer in answers {
            if let Value::Array(rows, _) = self.rows(&answer.rows)? {
                all.extend(rows.items().iter().cloned());
            }
        }
        let head = sql.to_ascii_lowercase();
        if head.starts_with("show") || head.starts_with("describe") {
            // NocoBase takes the first two rows for result and metadata.
            let mut rows = all.into_iter();
            let mut next = || rows.next().unwrap_or(Value::Null);
            return Ok(Outcome { result: next(), meta: next() });
        }
        let result = Value::array(all);
        if head.starts_with("insert into") {
            let count: u64 = answers.iter().filter_map(|answer| answer.affected).sum();
            return Ok(Outcome { result, meta: Value::Number(count as f64) });
        }
        let mut metas = Vec::new();
        for answer in answers {
            metas.push(self.postgres_meta(answer)?);
        }
        let meta = if metas.len() == 1 { metas.remove(0) } else { Value::array(metas) };
        Ok(Outcome { result, meta })
    }

    /// node-postgres' result object.
    fn postgres_meta(&self, answer: &Answer) -> Result<Value, DbErr> {
        let columns =
            answer.rows.first().and_then(QueryResult::try_as_pg_row).map(fields).unwrap_or_default();
        Ok(Value::object([
            ("command", Value::from(answer.command.as_str())),
            ("rowCount", answer.affected.map_or(Value::Null, |count| Value::Number(count as f64))),
            ("oid", Value::Null),
            ("rows", self.rows(&answer.rows)?),
            ("fields", Value::array(columns)),
        ]))
    }

    fn mysql(&self, sql: &str, answers: &[Answer]) -> Result<Outcome, DbErr> {
        if let [one] = answers
            && sql.to_ascii_lowercase().starts_with("insert into")
            && one.rows.is_empty()
        {
            let affected = Value::Number(one.affected.unwrap_or_default() as f64);
            return Ok(Outcome { result: Value::Number(one.last_insert_id as f64), meta: affected });
        }
        let mut results = Vec::new();
        for answer in answers {
            results.push(match gives_rows(&answer.command, "") || !answer.rows.is_empty() {
                true => self.rows(&answer.rows)?,
                false => header(answer),
            });
        }
        let result = if results.len() == 1 { results.remove(0) } else { Value::array(results) };
        Ok(Outcome { meta: result.clone(), result })
    }

    fn sqlite(&self, sql: &str, answers: &[Answer]) -> Result<Outcome, DbErr> {
        let Some(answer) = answers.first() else {
            return Ok(Outcome { result: Value::array(Vec::new()), meta: Value::object::<&str>([]) });
        };
        if sql.to_ascii_lowercase().starts_with("insert into") {
            let meta = [("lastID", answer.last_insert_id), ("changes", answer.affected.unwrap_or_default())];
            let meta = meta.map(|(name, number)| (name, Value::Number(number as f64)));
            return Ok(Outcome { result: Value::Null, meta: Value::object(meta) });
        }
        Ok(Outcome { result: self.rows(&answer.rows)?, meta: Value::object::<&str>([]) })
    }
}

/// Whether a statement gives rows rather than a count.
fn gives_rows(command: &str, sql: &str) -> bool {
    const READING: [&str; 12] = [
        "SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "PRAGMA", "CALL",
        "FETCH", "EXECUTE",
    ];
    READING.contains(&command) || sql.to_ascii_lowercase().contains("returning")
}

/// What would take the transaction out of the engine's hands.
fn ends_transaction(command: &str) -> bool {
    const REFUSED: [&str; 8] =
        ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"];
    REFUSED.contains(&command)
}

fn fields(row: &PgRow) -> Vec<Value> {
    let field = |column: &sea_orm::sqlx::postgres::PgColumn| {
        let number = |id: Option<u32>| Value::Number(id.unwrap_or_default().into());
        let type_id = column.type_info().oid().map(|oid| oid.0);
        Value::object([
            ("name", Value::from(column.name())),
            ("tableID", number(column.relation_id().map(|oid| oid.0))),
            ("columnID", Value::from(i32::from(column.relation_attribute_no().unwrap_or_default()))),
            ("dataTypeID", number(type_id)),
            ("format", Value::from("text")),
        ])
    };
    row.columns().iter().map(field).collect()
}

/// mysql2's `ResultSetHeader`, without what the driver here does not tell.
fn header(answer: &Answer) -> Value {
    let number = |number: u64| Value::Number(number as f64);
    [
        ("fieldCount", number(0)),
        ("affectedRows", number(answer.affected.unwrap_or_default())),
        ("insertId", number(answer.last_insert_id)),
        ("info", Value::from("")),
        ("serverStatus", number(2)),
        ("warningStatus", number(0)),
    ]
    .into_iter()
    .collect::<Object>()
    .into()
}
