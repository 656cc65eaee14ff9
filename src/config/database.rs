//! Which database, how it is reached, and how this deployment names things in it.

use std::path::Path;

use chrono::FixedOffset;

use super::reader::Reader;
use super::secret::Secret;

#[derive(Clone, Debug)]
pub struct Database {
    /// `SIDEHOOK_DATABASE_URL`, or made of `DB_DIALECT DB_HOST DB_PORT DB_DATABASE DB_USER DB_PASSWORD
    /// DB_STORAGE`.
    pub url: Secret,
    /// `DB_SCHEMA`, on PostgreSQL.
    pub schema: Option<String>,
    /// `DB_TABLE_PREFIX`.
    pub table_prefix: String,
    /// `DB_UNDERSCORED`: whether table and column names are in snake case.
    pub underscored: bool,
    /// `DB_TIMEZONE`: the zone of MySQL's times, such as `+08:00`.
    pub time_zone: FixedOffset,
    /// `DB_POOL_MAX`: how many connections to keep at most.
    pub pool_max: u32,
}

impl Database {
    /// The SQLite file, where it does not exist. Opening it would create an empty one.
    pub fn missing_file(&self) -> Option<String> {
        let path = self.url.reveal().strip_prefix("sqlite://")?.split('?').next()?;
        let file = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
        (!Path::new(&file).exists()).then_some(file)
    }

    /// How this deployment names its tables and columns.
    pub fn names(&self) -> entity::Names {
        entity::Names::new(self.schema.clone(), &self.table_prefix, self.underscored)
    }
}

/// Reads the settings of the database.
pub(super) fn database(reader: &mut Reader) -> Database {
    let is_true = |text: &str| match text {
        "true" | "1" => Some(true),
        "false" | "0" | "" => Some(false),
        _ => None,
    };
    let parts = Parts::read(reader);
    let url = reader.secret("SIDEHOOK_DATABASE_URL").map(|url| url.reveal().to_owned());
    let url = url.map_or_else(|| parts.url(), Ok).unwrap_or_else(|fault| {
        reader.fault_text(fault);
        String::new()
    });
    let is_postgres = url.starts_with("postgres");
    Database {
        url: Secret::new(url),
        schema: reader.text("DB_SCHEMA").filter(|_| is_postgres),
        table_prefix: reader.text("DB_TABLE_PREFIX").unwrap_or_default(),
        underscored: reader.with("DB_UNDERSCORED", "true or false", is_true).unwrap_or(false),
        time_zone: reader
            .with("DB_TIMEZONE", "an offset such as +08:00", |text| text.parse().ok())
            .unwrap_or(FixedOffset::east_opt(0).unwrap_or_else(|| unreachable!("zero is an offset"))),
        pool_max: reader.number("DB_POOL_MAX", 1..=1000).unwrap_or(10),
    }
}

/// NocoBase's own settings of the database.
struct Parts {
    dialect: Option<String>,
    host: Option<String>,
    port: Option<String>,
    user: Option<String>,
    password: Option<Secret>,
    name: Option<String>,
    storage: Option<String>,
}

impl Parts {
    fn read(reader: &mut Reader) -> Self {
        Self {
            dialect: reader.text("DB_DIALECT"),
            host: reader.text("DB_HOST"),
            port: reader.text("DB_PORT"),
            user: reader.text("DB_USER"),
            password: reader.secret("DB_PASSWORD"),
            name: reader.text("DB_DATABASE"),
            storage: reader.text("DB_STORAGE"),
        }
    }

    /// The URL they make, or what is wrong with them. NocoBase's default is SQLite.
    fn url(self) -> Result<String, &'static str> {
        let (scheme, port) = match self.dialect.as_deref() {
            None | Some("sqlite") => {
                let file = self.storage.ok_or(NO_DATABASE)?;
                return Ok(sqlite_url(Path::new(&file)));
            }
            Some("postgres") => ("postgres", "5432"),
            Some("mysql" | "mariadb") => ("mysql", "3306"),
            Some(_) => return Err("DB_DIALECT must be postgres, mysql, mariadb or sqlite"),
        };
        let encoded = |text: Option<String>, default: &str| {
            let text = text.unwrap_or_else(|| default.to_owned());
            percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let password = self.password.map(|password| password.reveal().to_owned());
        let (user, password) = (encoded(self.user, "nocobase"), encoded(password, ""));
        let (host, name) = (self.host.as_deref().unwrap_or("localhost"), encoded(self.name, "nocobase"));
        let port = self.port.as_deref().unwrap_or(port);
        Ok(format!("{scheme}://{user}:{password}@{host}:{port}/{name}"))
    }
}

const NO_DATABASE: &str = "no database is named: set NocoBase's DB_DIALECT and DB_ settings (or --env-file), \
                           SIDEHOOK_DATABASE_URL, or --database";

/// The URL of an SQLite file, which is created when it does not exist.
pub fn sqlite_url(file: &Path) -> String {
    // A relative name could be taken for a host.
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let path = percent_encoding::utf8_percent_encode(&absolute.to_string_lossy(), IN_PATH).to_string();
    format!("sqlite://{path}?mode=rwc")
}

/// What would end a path in a URL, or be taken for an escape.
const IN_PATH: &percent_encoding::AsciiSet =
    &percent_encoding::CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'"');
