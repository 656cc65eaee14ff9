//! The settings: defaults, then `sidehook.toml`, then the environment. NocoBase's own variables are read
//! under their own names, so that one env file serves both; sidehook's own start with `SIDEHOOK_`. All
//! faults are reported together.

mod nocobase;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chrono::FixedOffset;

pub use nocobase::NocoBase;
pub use requests::Requests;

/// Where settings come from: a file and the environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
}

/// Every setting. The keys of `sidehook.toml` are the names of the environment in lower case, without
/// `SIDEHOOK_`.
#[derive(Clone, Debug)]
pub struct Config {
    /// `SIDEHOOK_LISTEN`: the address to serve on.
    pub listen: SocketAddr,
    /// The database, see [`Database`].
    pub database: Database,
    /// `API_BASE_PATH`: what the URLs start with; begins and ends with a slash.
    pub api_base_path: String,
    /// `REQUEST_BODY_LIMIT`: the largest request body in bytes, written like `10mb`.
    pub body_limit: usize,
    /// `WORKFLOW_LOOP_LIMIT`: the most rounds of a loop node.
    pub loop_limit: Option<u64>,
    /// `SIDEHOOK_WORKERS`: how many asynchronous executions run at a time.
    pub workers: usize,
    /// `SIDEHOOK_SYNC_TIMEOUT`: how long a caller waits for a synchronous workflow, written like `5m`.
    pub sync_timeout: Duration,
    /// `SIDEHOOK_EXPRESSION_TIMEOUT`: how long an expression or a query may take.
    pub expression_timeout: Duration,
    /// `SIDEHOOK_SCRIPT_TIMEOUT`: how long a script may run whose node sets no timeout, or a longer one.
    pub script_timeout: Duration,
    /// `WORKFLOW_SCRIPT_WORKER_CONCURRENCY`: how many scripts run at a time.
    pub script_concurrency: Option<usize>,
    /// `WORKFLOW_SCRIPT_MODULES` names modules, which sidehook does not have for scripts.
    pub expects_script_modules: bool,
    /// `SIDEHOOK_SQL_TIMEOUT`: how long a statement of an sql node may take, written like `5m`.
    pub sql_timeout: Duration,
    /// `SIDEHOOK_GRACE`: how long running executions may take to end after SIGTERM, written like `20s`.
    pub grace: Duration,
    /// `APP_AES_SECRET_KEY`: the key of NocoBase's secrets, 64 hexadecimal digits.
    pub aes_secret_key: Option<Secret>,
    /// `APP_AES_SECRET_KEY_PATH`, else where NocoBase keeps the key it made: `storage/apps/main/aes_key.dat`
    /// and `storage/environment-variables/main/aes_key.dat`.
    pub aes_secret_key_files: Vec<PathBuf>,
    /// The NocoBase beside it, see [`NocoBase`].
    pub nocobase: NocoBase,
    /// Request nodes, see [`Requests`].
    pub requests: Requests,
    /// `SIDEHOOK_LOG`: a filter of tracing-subscriber, such as `info` or `sidehook=debug`.
    pub log: String,
    /// `SIDEHOOK_LOG_FORMAT`: `text`, `json`, or `auto` for text on a terminal and JSON otherwise.
    pub log_format: LogFormat,
}

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

/// A text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("the settings cannot be used:{}", .0.iter().map(|fault| format!("\n  - {fault}")).collect::<String>())]
pub struct Faults(pub Vec<String>);

impl Config {
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let mut reader = Reader::open(sources);
        let config = Self {
            listen: reader.listen(),
            database: database(&mut reader),
            api_base_path: slashed(&reader.text("API_BASE_PATH").unwrap_or_else(|| "/api/".to_owned())),
            body_limit: reader.with("REQUEST_BODY_LIMIT", "a size such as 10mb", size).unwrap_or(10 << 20),
            loop_limit: reader
                .with("WORKFLOW_LOOP_LIMIT", "a number of rounds", |text| text.parse().ok())
                .filter(|limit| *limit > 0),
            workers: reader.parsed("SIDEHOOK_WORKERS", "a number above 0", 16_usize),
            sync_timeout: reader
                .with("SIDEHOOK_SYNC_TIMEOUT", TIME_FORM, duration)
                .unwrap_or(Duration::from_secs(300)),
            expression_timeout: reader
                .with("SIDEHOOK_EXPRESSION_TIMEOUT", TIME_FORM, duration)
                .unwrap_or(Duration::from_secs(5)),
            script_timeout: reader
                .with("SIDEHOOK_SCRIPT_TIMEOUT", TIME_FORM, duration)
                .unwrap_or(Duration::from_secs(60)),
            script_concurrency: reader
                .with("WORKFLOW_SCRIPT_WORKER_CONCURRENCY", "a number of scripts", |text| text.parse().ok())
                .filter(|scripts| *scripts > 0),
            expects_script_modules: reader
                .text("WORKFLOW_SCRIPT_MODULES")
                .is_some_and(|names| names.split(',').any(|name| !name.is_empty())),
            sql_timeout: reader
                .with("SIDEHOOK_SQL_TIMEOUT", TIME_FORM, duration)
                .unwrap_or(Duration::from_secs(300)),
            grace: reader.with("SIDEHOOK_GRACE", TIME_FORM, duration).unwrap_or(Duration::from_secs(20)),
            aes_secret_key: reader.text("APP_AES_SECRET_KEY").map(Secret::new),
            aes_secret_key_files: match reader.text("APP_AES_SECRET_KEY_PATH") {
                Some(path) => vec![path.into()],
                None => KEY_FILES.iter().map(PathBuf::from).collect(),
            },
            nocobase: NocoBase::read(&mut reader),
            requests: Requests::read(&mut reader),
            log: reader
                .text("SIDEHOOK_LOG")
                .unwrap_or_else(|| "info,sea_orm_migration=warn,sqlx=warn,poem=warn".to_owned()),
            log_format: reader
                .with("SIDEHOOK_LOG_FORMAT", "auto, text or json", |text| match text {
                    "auto" => Some(LogFormat::Auto),
                    "text" => Some(LogFormat::Text),
                    "json" => Some(LogFormat::Json),
                    _ => None,
                })
                .unwrap_or(LogFormat::Auto),
        };
        if config.workers == 0 {
            reader.fault("SIDEHOOK_WORKERS", "a number above 0");
        }
        reader.finish(config)
    }
}

/// The address that `serve` listens on. The other settings may be wrong or missing.
pub fn listen(sources: &Sources) -> Result<SocketAddr, Faults> {
    let mut reader = Reader::open(sources);
    let listen = reader.listen();
    reader.unused.clear();
    reader.finish(listen)
}

const TIME_FORM: &str = "a time such as 30s, 5m or 500ms";
const KEY_FILES: [&str; 2] =
    ["storage/apps/main/aes_key.dat", "storage/environment-variables/main/aes_key.dat"];

fn database(reader: &mut Reader) -> Database {
    let is_true = |text: &str| match text {
        "true" | "1" => Some(true),
        "false" | "0" | "" => Some(false),
        _ => None,
    };
    let parts = Parts::read(reader);
    let url = reader.text("SIDEHOOK_DATABASE_URL").map_or_else(|| parts.url(), Ok).unwrap_or_else(|fault| {
        reader.faults.push(fault.to_owned());
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
        pool_max: reader.parsed("DB_POOL_MAX", "a number of connections", 10),
    }
}

/// NocoBase's own settings of the database.
struct Parts {
    dialect: Option<String>,
    host: Option<String>,
    port: Option<String>,
    user: Option<String>,
    password: Option<String>,
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
            password: reader.text("DB_PASSWORD"),
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
        let (user, password) = (encoded(self.user, "nocobase"), encoded(self.password, ""));
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

fn slashed(path: &str) -> String {
    let inner = path.trim_matches('/');
    if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") }
}

/// `10mb`, `512 kb`, `1048576`: the forms of the `bytes` package that NocoBase's body parser uses.
fn size(text: &str) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim() {
        "" | "b" => 1.0,
        "kb" => 1024.0,
        "mb" => 1024.0 * 1024.0,
        "gb" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * unit) as usize)
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let seconds = match text[end..].trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// Reads one setting after the other and remembers what was wrong.
struct Reader<'a> {
    environment: &'a BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    unused: BTreeSet<String>,
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    fn open(sources: &'a Sources) -> Self {
        let mut reader = Self {
            environment: &sources.environment,
            file: BTreeMap::new(),
            unused: BTreeSet::new(),
            faults: Vec::new(),
        };
        if let Some(path) = &sources.file {
            match read_file(path) {
                Ok(settings) => {
                    reader.unused = settings.keys().cloned().collect();
                    reader.file = settings;
                }
                Err(fault) => reader.faults.push(fault),
            }
        }
        reader
    }

    /// A setting by its name in the environment; an empty one counts as none.
    fn text(&mut self, name: &str) -> Option<String> {
        let key = name.strip_prefix("SIDEHOOK_").unwrap_or(name).to_ascii_lowercase();
        self.unused.remove(&key);
        let found = self.environment.get(name).filter(|text| !text.is_empty());
        found.or_else(|| self.file.get(&key)).filter(|text| !text.is_empty()).cloned()
    }

    fn with<T>(&mut self, name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.fault(name, expected);
        }
        parsed
    }

    fn parsed<T: FromStr>(&mut self, name: &str, expected: &str, default: T) -> T {
        self.with(name, expected, |text| text.parse().ok()).unwrap_or(default)
    }

    fn listen(&mut self) -> SocketAddr {
        let default = SocketAddr::from(([0, 0, 0, 0], 13080));
        self.parsed("SIDEHOOK_LISTEN", "an address and a port such as 127.0.0.1:13080", default)
    }

    /// Values are never repeated in a fault: they could be secrets.
    fn fault(&mut self, name: &str, expected: &str) {
        self.faults.push(format!("{name} must be {expected}"));
    }

    fn finish<T>(mut self, settings: T) -> Result<T, Faults> {
        let unknown = self.unused.iter().map(|key| format!("the file has an unknown setting: {key}"));
        self.faults.extend(unknown);
        if self.faults.is_empty() { Ok(settings) } else { Err(Faults(self.faults)) }
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|err| format!("{} cannot be read: {err}", path.display()))?;
    let table: toml::Table =
        text.parse().map_err(|err| format!("{} is not valid TOML: {err}", path.display()))?;
    let settings = table.into_iter().map(|(key, value)| match value {
        toml::Value::String(text) => (key, text),
        other => (key, other.to_string()),
    });
    Ok(settings.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(environment: &[(&str, &str)]) -> Result<Config, Faults> {
        let pairs = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Config::load(&Sources { file: None, environment: pairs.collect() })
    }

    #[test]
    fn nocobases_variables_make_a_url() {
        let config = load(&[
            ("DB_DIALECT", "postgres"),
            ("DB_HOST", "db"),
            ("DB_USER", "noco"),
            ("DB_PASSWORD", "p@ss/word"),
            ("DB_SCHEMA", "nbs"),
            ("API_BASE_PATH", "v1/api"),
            ("REQUEST_BODY_LIMIT", "2mb"),
        ]);
        let config = config.expect("good settings");
        assert_eq!(config.database.url.reveal(), "postgres://noco:p%40ss%2Fword@db:5432/nocobase");
        assert_eq!(config.database.schema.as_deref(), Some("nbs"));
        assert_eq!(config.api_base_path, "/v1/api/");
        assert_eq!(config.body_limit, 2 << 20);
    }

    #[test]
    fn all_faults_are_told_together_without_values() {
        let faults = load(&[
            ("DB_DIALECT", "oracle"),
            ("SIDEHOOK_LISTEN", "nowhere"),
            ("DB_TIMEZONE", "hunter2"),
            ("SIDEHOOK_WORKERS", "0"),
        ]);
        let text = faults.expect_err("bad settings").to_string();
        for name in ["DB_DIALECT", "SIDEHOOK_LISTEN", "DB_TIMEZONE", "SIDEHOOK_WORKERS"] {
            assert!(text.contains(name), "{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = load(&[("DB_DIALECT", "mysql"), ("DB_PASSWORD", "hunter2")]).expect("good settings");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_example_file_names_every_setting_with_its_default() {
        let example = include_str!("../config.example.toml");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), example).expect("written");
        let sources = Sources { file: Some(file.path().to_owned()), environment: BTreeMap::new() };
        let from_example = Config::load(&sources).expect("the example is valid");
        let defaults =
            load(&[("SIDEHOOK_DATABASE_URL", from_example.database.url.reveal())]).expect("defaults");
        let known = format!("{defaults:?}");
        assert_eq!(format!("{from_example:?}"), known);
        let table: toml::Table = example.parse().expect("TOML");
        assert_eq!(
            table.len(),
            SETTINGS,
            "a setting is missing in config.example.toml, or SETTINGS is out of date"
        );
    }

    /// How many settings a file can hold.
    const SETTINGS: usize = 41;
}
