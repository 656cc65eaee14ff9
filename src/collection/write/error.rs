//! What NocoBase records for records that it or the database refused: Sequelize's error classes with their
//! members (`sequelize/lib/errors`, `dialects/*/query.js`).

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};

use super::super::error;
use super::instance::Instance;
use crate::expr::{Object, Thrown, Value};
use crate::store::Codec;

/// A check that a value of a record did not pass.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub message: String,
    /// Such as `notNull Violation`.
    pub kind: &'static str,
    pub path: String,
    pub value: Value,
    pub validator_key: &'static str,
}

impl Violation {
    fn to_value(&self, origin: &str, instance: Option<&Value>) -> Value {
        Value::object([
            ("message", Value::text(self.message.as_str())),
            ("type", self.kind.into()),
            ("path", Value::text(self.path.as_str())),
            ("value", if self.value.is_undefined() { Value::Null } else { self.value.clone() }),
            ("origin", origin.into()),
            ("instance", instance.cloned().unwrap_or(Value::Null)),
            ("validatorKey", self.validator_key.into()),
            ("validatorName", Value::Null),
            ("validatorArgs", Value::array(Vec::new())),
        ])
    }
}

/// Sequelize's `ValidationError` of checks before the database is asked.
pub(super) fn invalid(violations: &[Violation], instance: &Instance, codec: &Codec) -> Thrown {
    let record = instance.to_value(codec);
    let errors = violations.iter().map(|one| one.to_value("CORE", Some(&record))).collect();
    let messages: Vec<String> =
        violations.iter().map(|one| format!("{}: {}", one.kind, one.message)).collect();
    let members = [("name", Value::from("SequelizeValidationError")), ("errors", Value::array(errors))];
    Thrown::error(messages.join(",\n")).with_properties(members.into_iter().collect())
}

/// What the database refused to write, for the record that was to be written.
pub(super) fn refused(err: &DbErr, sql: &str, instance: &Instance, codec: &Codec) -> Thrown {
    let Some(answer) = answer_of(err).filter(|answer| is_unique_violation(*answer)) else {
        return error::thrown(err, sql);
    };
    let (_, mut parent) = error::parent(answer);
    parent.insert("sql", sql.into());
    let parent = Value::from(parent);
    let record = instance.to_value(codec);
    let fields = violated_fields(answer);
    let errors = fields.iter().map(|(column, value)| {
        let field = instance.collection.fields().find(|field| *field.column == **column);
        let value = match (value, field) {
            (Some(value), _) => Value::text(value.as_str()),
            (None, Some(field)) => instance.raw(&field.name),
            (None, None) => Value::Null,
        };
        let violation = Violation {
            message: format!("{column} must be unique"),
            kind: "unique violation",
            path: column.clone(),
            value,
            validator_key: "not_unique",
        };
        violation.to_value("DB", Some(&record))
    });
    let errors = Value::array(errors.collect());
    let members = [
        ("name", Value::from("SequelizeUniqueConstraintError")),
        ("errors", errors),
        ("parent", parent.clone()),
        ("original", parent),
        ("fields", fields_value(&fields)),
        ("sql", sql.into()),
    ];
    Thrown::error("Validation error").with_properties(members.into_iter().collect())
}

/// With their values, or only the names where the database does not tell these.
fn fields_value(fields: &[(String, Option<String>)]) -> Value {
    if fields.iter().any(|(_, value)| value.is_none()) {
        return Value::array(fields.iter().map(|(name, _)| Value::text(name.as_str())).collect());
    }
    let member = |(name, value): &(String, Option<String>)| {
        (name.as_str().to_owned(), value.as_deref().map_or(Value::Null, Value::from))
    };
    Value::from(fields.iter().map(member).collect::<Object>())
}

fn answer_of(err: &DbErr) -> Option<&dyn DatabaseError> {
    match err {
        DbErr::Query(RuntimeErr::SqlxError(err)) | DbErr::Exec(RuntimeErr::SqlxError(err)) => {
            err.as_database_error().map(|answer| answer as &dyn DatabaseError)
        }
        _ => None,
    }
}

/// Sequelize takes any broken constraint of SQLite for this.
fn is_unique_violation(answer: &dyn DatabaseError) -> bool {
    const CONSTRAINT: u32 = 19;
    let code = answer.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    answer.is_unique_violation()
        || (answer.try_downcast_ref::<SqliteError>().is_some() && code == Some(CONSTRAINT))
}

/// The columns of a violated unique constraint with the values as the database tells them.
fn violated_fields(answer: &dyn DatabaseError) -> Vec<(String, Option<String>)> {
    if let Some(error) = answer.try_downcast_ref::<PgDatabaseError>() {
        let detail = error.detail().unwrap_or_default().replace('"', "");
        let parts = detail.strip_prefix("Key (").and_then(|rest| rest.split_once(")=("));
        let Some((names, rest)) = parts else { return Vec::new() };
        let mut values =
            rest.split_once(')').map_or(rest, |(values, _)| values).split(", ").map(str::to_owned);
        return names.split(", ").map(|name| (name.to_owned(), values.next())).collect();
    }
    let message = answer.message();
    if answer.try_downcast_ref::<MySqlDatabaseError>().is_some() {
        let Some(rest) = message.strip_prefix("Duplicate entry '") else { return Vec::new() };
        let Some((value, key)) = rest.rsplit_once("' for key '") else { return Vec::new() };
        let key = key.trim_end_matches('\'').rsplit('.').next().unwrap_or_default();
        return vec![(key.to_owned(), Some(value.to_owned()))];
    }
    let Some(columns) = message.strip_prefix("UNIQUE constraint failed: ") else { return Vec::new() };
    columns
        .split(", ")
        .map(|column| (column.rsplit('.').next().unwrap_or_default().to_owned(), None))
        .collect()
}
