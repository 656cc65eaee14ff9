//! Errors of the database as Sequelize throws them: `SequelizeDatabaseError` with what the driver said.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::postgres::{PgDatabaseError, PgErrorPosition, PgSeverity};
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};

use crate::expr::{Object, Thrown, Value};

/// What the job of a node records when a statement fails. `sql` is the text of the statement, in which values
/// that are bound do not appear.
pub fn thrown(err: &DbErr, sql: &str) -> Thrown {
    let driver = match err {
        DbErr::Query(RuntimeErr::SqlxError(err)) | DbErr::Exec(RuntimeErr::SqlxError(err)) => {
            err.as_database_error()
        }
        _ => None,
    };
    let Some(answer) = driver else { return Thrown::error(err.to_string()) };
    let (message, mut parent) = parent(answer);
    parent.insert("sql", sql.into());
    let parent = Value::from(parent);
    let properties = [
        ("name", Value::from("SequelizeDatabaseError")),
        ("parent", parent.clone()),
        ("original", parent),
        ("sql", Value::from(sql)),
        ("parameters", Value::empty_object()),
    ];
    Thrown::error(message).with_properties(properties.into_iter().collect())
}

/// The driver's own error and its message.
pub(super) fn parent(answer: &dyn DatabaseError) -> (String, Object) {
    if let Some(err) = answer.try_downcast_ref::<PgDatabaseError>() {
        return (err.message().to_owned(), postgres(err));
    }
    if let Some(err) = answer.try_downcast_ref::<MySqlDatabaseError>() {
        let properties = [
            ("code", mysql_code(err.number()).map_or(Value::Undefined, Value::from)),
            ("errno", Value::from(i32::from(err.number()))),
            ("sqlState", err.code().unwrap_or_default().into()),
            ("sqlMessage", err.message().into()),
        ];
        return (err.message().to_owned(), properties.into_iter().collect());
    }
    if answer.try_downcast_ref::<SqliteError>().is_some() {
        let code = sqlite_code(answer);
        let errno = answer.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1) & 0xff;
        let properties = [("errno", Value::from(errno)), ("code", code.into())];
        return (format!("{code}: {}", answer.message()), properties.into_iter().collect());
    }
    (answer.message().to_owned(), Object::new())
}

/// The numbers of MySQL's and MariaDB's errors with their symbols, a line each, as the documentation of both servers and
/// mysql2's `lib/constants/errors.js` have them.
const MYSQL_ERRORS: &str = include_str!("mysql_errors.txt");

/// The symbol of an error, such as `ER_PARSE_ERROR`, which mysql2 gives as its `code`.
fn mysql_code(number: u16) -> Option<&'static str> {
    let number = number.to_string();
    MYSQL_ERRORS
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(n, _)| *n == number)
        .map(|(_, code)| code)
}

fn postgres(err: &PgDatabaseError) -> Object {
    let severity = match err.severity() {
        PgSeverity::Panic => "PANIC",
        PgSeverity::Fatal => "FATAL",
        _ => "ERROR",
    };
    let position = match err.position() {
        Some(PgErrorPosition::Original(position)) => Some(position.to_string()),
        _ => None,
    };
    let parts = [
        ("name", Some("error".to_owned())),
        ("severity", Some(severity.to_owned())),
        ("code", Some(err.code().to_owned())),
        ("detail", err.detail().map(str::to_owned)),
        ("hint", err.hint().map(str::to_owned)),
        ("position", position),
        ("where", err.r#where().map(str::to_owned)),
        ("schema", err.schema().map(str::to_owned)),
        ("table", err.table().map(str::to_owned)),
        ("column", err.column().map(str::to_owned)),
        ("dataType", err.data_type().map(str::to_owned)),
        ("constraint", err.constraint().map(str::to_owned)),
        ("file", err.file().map(str::to_owned)),
        ("line", err.line().map(|line| line.to_string())),
        ("routine", err.routine().map(str::to_owned)),
    ];
    parts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text?)))).collect()
}

/// The name of the primary result code.
fn sqlite_code(answer: &dyn DatabaseError) -> &'static str {
    let extended = answer.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(1);
    match extended & 0xff {
        5 => "SQLITE_BUSY",
        8 => "SQLITE_READONLY",
        19 => "SQLITE_CONSTRAINT",
        20 => "SQLITE_MISMATCH",
        25 => "SQLITE_RANGE",
        _ => "SQLITE_ERROR",
    }
}
