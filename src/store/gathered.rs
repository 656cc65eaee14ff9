//! Statements of a transaction that PostgreSQL carries out as one. Each is a way to the server and back, for which all wait
//! whose rows are in the transaction.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sea_orm::sea_query::{SelectStatement, Value};
use sea_orm::sqlx::postgres::PgQueryResult;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};

/// A transaction in which questions are asked at once, and what changes rows is kept until it is carried out: as one
/// statement that sees the rows as they are before it, so no two of its parts may be about the same row.
pub(super) struct Gathered<'a> {
    tx: &'a DatabaseTransaction,
    parts: Mutex<Vec<Part>>,
}

struct Part {
    statement: Statement,
    /// Whether it is a question that needs an answer, or changes a row that has to be there.
    needs_row: bool,
    /// Whether it says already what it returns.
    returns: bool,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(tx: &'a DatabaseTransaction) -> Self {
        Self { tx, parts: Mutex::default() }
    }

    /// Adds a question that needs an answer.
    pub(super) fn ask(&self, question: &SelectStatement) {
        let statement = DbBackend::Postgres.build(question);
        self.parts().push(Part { statement, needs_row: true, returns: true });
    }

    /// Adds a change of a row that has to be there.
    pub(super) fn change(&self, statement: Statement) {
        self.parts().push(Part { statement, needs_row: true, returns: false });
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries it out, in the order in which it was added. `false` where a row was not there that had to be: then the
    /// transaction is not to be committed.
    pub(super) async fn carry_out(self) -> Result<bool, DbErr> {
        let parts = self.parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        if parts.is_empty() {
            return Ok(true);
        }
        let needed: Vec<usize> =
            (0..).zip(&parts).filter_map(|(place, part)| part.needs_row.then_some(place)).collect();
        let Some(row) = self.tx.query_one_raw(joined(parts)).await? else { return Ok(false) };
        let counts = needed.into_iter().map(|place| row.try_get_by_index::<i64>(place));
        let counts: Vec<i64> = counts.collect::<Result<_, _>>()?;
        Ok(counts.iter().all(|count| *count > 0))
    }
}

/// One statement whose columns are the numbers of rows of its parts. PostgreSQL carries a part out when its number is asked
/// for, so that the order of the columns is that of the locks.
fn joined(parts: Vec<Part>) -> Statement {
    let length = parts.iter().map(|part| part.statement.sql.len() + 80).sum();
    let (mut sql, mut counts, mut values) =
        (String::with_capacity(length), String::new(), Vec::<Value>::new());
    for (place, Part { statement, returns, .. }) in (1..).zip(parts) {
        let (with, select) = if place == 1 { ("WITH", " SELECT") } else { (",", ",") };
        let _ = write!(sql, "{with} p{place} AS (");
        renumber(&statement.sql, values.len(), &mut sql);
        sql += if returns { ")" } else { " RETURNING 1)" };
        let _ = write!(counts, "{select} (SELECT count(*) FROM p{place})");
        values.extend(statement.values.into_iter().flat_map(|values| values.0));
    }
    sql += &counts;
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// Writes the statement with parameters that come after `before` others. Names may have a dollar in them, in quotes.
fn renumber(sql: &str, before: usize, text: &mut String) {
    let (mut rest, mut quote) = (sql, None);
    while let Some(place) = rest.bytes().position(|byte| matches!(byte, b'$' | b'"' | b'\'')) {
        let mark = rest.as_bytes()[place];
        let (passed, after) = rest.split_at(place + 1);
        text.push_str(passed);
        rest = after;
        if quote.is_some() {
            quote = quote.filter(|quote| *quote != mark);
        } else if mark != b'$' {
            quote = Some(mark);
        } else {
            let (number, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
            let _ = match number.parse::<usize>() {
                Ok(number) => write!(text, "{}", number + before),
                Err(_) => text.write_str(number),
            };
            rest = after;
        }
    }
    text.push_str(rest);
}

#[async_trait]
impl ConnectionTrait for Gathered<'_> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    /// Says that no row has changed, because none has yet.
    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.parts().push(Part { statement, needs_row: false, returns: false });
        Ok(PgQueryResult::default().into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(DbBackend::Postgres, sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.tx.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.tx.query_all_raw(statement).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(sql: &str, values: Vec<Value>, returns: bool) -> Part {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        Part { statement, needs_row: false, returns }
    }

    #[test]
    fn parameters_of_all_parts_are_numbered_anew() {
        let joined = joined(vec![
            part("SELECT 1 FROM a WHERE id = $1", vec![7.into()], true),
            part("INSERT INTO b (x, y) SELECT $2, $1", vec![1.into(), "a".into()], false),
            part("DELETE FROM c", vec![], false),
        ]);
        assert_eq!(
            joined.sql,
            "WITH p1 AS (SELECT 1 FROM a WHERE id = $1), \
             p2 AS (INSERT INTO b (x, y) SELECT $3, $2 RETURNING 1), \
             p3 AS (DELETE FROM c RETURNING 1) \
             SELECT (SELECT count(*) FROM p1), (SELECT count(*) FROM p2), (SELECT count(*) FROM p3)"
        );
        assert_eq!(joined.values.map(|values| values.0), Some(vec![7.into(), 1.into(), "a".into()]));
    }

    #[test]
    fn dollars_in_names_and_texts_are_no_parameters() {
        let sql = r#"UPDATE "a$1""b$2" SET "x'" = $12, y = E'\x1f $3''$4' WHERE z = $2"#;
        let expected = r#"UPDATE "a$1""b$2" SET "x'" = $15, y = E'\x1f $3''$4' WHERE z = $5"#;
        let mut text = String::new();
        renumber(sql, 3, &mut text);
        assert_eq!(text, expected);
    }
}
