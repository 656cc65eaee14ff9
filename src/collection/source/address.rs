//! Where the database of a data source is, as its `options` say it. The drivers of external databases are not open
//! source: the names are those of the forms (`docs/data-sources`) and of Sequelize, to which NocoBase's drivers hand
//! them. Pure but for the files of certificates.

use std::path::Path;

use chrono::FixedOffset;
use sea_orm::DbBackend;

use crate::expr::Value;
use crate::expr::convert::{to_number, to_text};
use crate::store::connection::{Address, Host, Pem, Server, Tls, TlsMode};

/// The database that a source of this type is; `None` for what is no database that sidehook speaks to.
pub fn backend(type_name: &str) -> Option<DbBackend> {
    match type_name {
        "postgres" => Some(DbBackend::Postgres),
        "mysql" | "mariadb" => Some(DbBackend::MySql),
        "sqlite" => Some(DbBackend::Sqlite),
        _ => None,
    }
}

/// The address; the error says which option is missing or wrong, and nothing of its text.
pub(super) fn address(backend: DbBackend, options: &Value) -> Result<Address, String> {
    if backend == DbBackend::Sqlite {
        let file = text(options, "storage").ok_or("its options name no file (storage)")?;
        return Ok(Address::Sqlite { file: file.into(), creates: false });
    }
    let is_postgres = backend == DbBackend::Postgres;
    let host = text(options, "host").ok_or("its options name no host")?;
    let port = match options.member("port") {
        port if port.is_nullish() || port.as_str() == Some("") => {
            if is_postgres {
                5432
            } else {
                3306
            }
        }
        port => port_number(&port).ok_or("its port is no port number")?,
    };
    let server = Server {
        host: self::host(&host),
        port,
        user: text(options, "username")
            .or_else(|| text(options, "user"))
            .ok_or("its options name no username")?,
        password: text(options, "password"),
        database: text(options, "database").ok_or("its options name no database")?,
        schema: text(options, "schema").filter(|_| is_postgres),
        tls: tls(options, is_postgres)?,
        statement_cache: None,
    };
    Ok(if is_postgres { Address::Postgres(server) } else { Address::Mysql(server) })
}

/// The zone of MySQL's times: `timezone`, else UTC, as Sequelize has it.
pub(super) fn time_offset(options: &Value) -> FixedOffset {
    let utc = FixedOffset::east_opt(0).unwrap_or_else(|| unreachable!("zero is an offset"));
    text(options, "timezone").and_then(|text| text.parse().ok()).unwrap_or(utc)
}

/// A text that is not empty; numbers, as passwords may be, are their digits.
pub(super) fn text(options: &Value, name: &str) -> Option<String> {
    match options.member(name) {
        value @ (Value::Text(_) | Value::Number(_)) => to_text(&value).ok().filter(|text| !text.is_empty()),
        _ => None,
    }
}

fn port_number(value: &Value) -> Option<u16> {
    let number = to_number(value).ok().filter(|number| number.fract() == 0.0)?;
    (1.0..=65535.0).contains(&number).then_some(number as u16)
}

fn host(text: &str) -> Host {
    let text = text.trim();
    if text.starts_with('/') {
        return Host::Socket(text.into());
    }
    Host::Name(text.trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// `ssl`, or Sequelize's `dialectOptions.ssl`: a flag, or an object with `mode`, `rejectUnauthorized`, `ca`, `cert` and
/// `key`, which are PEM or name files.
fn tls(options: &Value, is_postgres: bool) -> Result<Tls, String> {
    let of_dialect = options.member("dialectOptions").member("ssl");
    let ssl = if of_dialect.is_nullish() { options.member("ssl") } else { of_dialect };
    let strict = if is_postgres { TlsMode::VerifyFull } else { TlsMode::VerifyCa };
    let unasked = if is_postgres { TlsMode::Off } else { TlsMode::Prefer };
    let mode = match ssl.member("mode").as_str().or(ssl.as_str()).unwrap_or_default() {
        "disable" | "disabled" | "false" => Some(TlsMode::Off),
        "allow" | "prefer" | "preferred" => Some(TlsMode::Prefer),
        "require" | "required" => Some(TlsMode::Require),
        "verify-ca" => Some(TlsMode::VerifyCa),
        "verify-full" => Some(TlsMode::VerifyFull),
        _ => None,
    };
    let is_lenient = matches!(ssl.member("rejectUnauthorized"), Value::Bool(false));
    let mode = match mode {
        _ if !ssl.is_truthy() => unasked,
        Some(TlsMode::VerifyCa | TlsMode::VerifyFull) | None if is_lenient => TlsMode::Require,
        Some(mode) => mode,
        None => strict,
    };
    let identity = match (pem(&ssl, "cert")?, pem(&ssl, "key")?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("its ssl has one of cert and key without the other".to_owned()),
    };
    Ok(Tls { mode, ca: pem(&ssl, "ca")?, identity })
}

fn pem(ssl: &Value, name: &str) -> Result<Option<Pem>, String> {
    let Some(text) = text(ssl, name) else { return Ok(None) };
    if text.contains("-----BEGIN") {
        return Ok(Some(Pem(text)));
    }
    let read = std::fs::read_to_string(Path::new(&text));
    read.map(|text| Some(Pem(text)))
        .map_err(|err| format!("the file of its ssl.{name} cannot be read: {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn of(backend: DbBackend, options: &str) -> Result<Address, String> {
        address(backend, &json::parse(options.as_bytes()).expect("JSON"))
    }

    #[test]
    fn options_lead_to_a_server() {
        let options = r#"{"host":"erp","port":"6432","username":"u","password":12345,"database":"d","schema":"s",
            "dialectOptions":{"ssl":{"rejectUnauthorized":false}}}"#;
        let Ok(Address::Postgres(server)) = of(DbBackend::Postgres, options) else { panic!("no server") };
        assert_eq!(
            (server.port, server.password.as_deref(), server.schema.as_deref()),
            (6432, Some("12345"), Some("s"))
        );
        assert_eq!(server.tls.mode, TlsMode::Require);
        let Ok(Address::Mysql(server)) = of(DbBackend::MySql, options) else { panic!("no server") };
        assert_eq!((server.schema, server.host), (None, Host::Name("erp".into())));
        let plain = r#"{"host":"h","username":"u","database":"d"}"#;
        let Ok(Address::Mysql(server)) = of(DbBackend::MySql, plain) else { panic!("no server") };
        assert_eq!((server.port, server.tls.mode), (3306, TlsMode::Prefer));
    }

    #[test]
    fn what_is_wrong_is_named_without_its_text() {
        let cases = [
            (r#"{"username":"u","database":"d"}"#, "no host"),
            (r#"{"host":"h","database":"d"}"#, "no username"),
            (r#"{"host":"h","username":"u"}"#, "no database"),
            (r#"{"host":"h","username":"u","database":"d","port":"hunter2"}"#, "port number"),
            (r#"{"host":"h","username":"u","database":"d","ssl":{"ca":"/nowhere/hunter2"}}"#, "ssl.ca"),
        ];
        for (options, part) in cases {
            let fault = of(DbBackend::Postgres, options).expect_err(options);
            assert!(fault.contains(part) && !fault.contains("hunter2"), "{fault}");
        }
        assert!(of(DbBackend::Sqlite, "{}").expect_err("no file").contains("storage"));
    }
}
