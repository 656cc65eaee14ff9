//! The settings: defaults, then `sidehook.toml`, then the environment. NocoBase's own variables are read
//! under their own names, so that one env file serves both; sidehook's own start with `SIDEHOOK_`. All
//! faults are reported together.

mod access;
mod apps;
mod database;
mod database_url;
mod engine;
mod http;
mod javascript;
mod log;
mod mail;
mod management;
mod metrics;
mod nocobase;
mod page;
mod proxy;
mod queue;
mod reader;
mod request_log;
mod requests;
mod secret;
mod secret_key;
mod tls;
mod traces;
mod workflows;
mod zone;

pub use access::{Access, ProxyHeader};
pub use apps::{Apps, MAIN};
pub use database::Database;
pub use database_url::sqlite_url;
pub use engine::Engine;
pub use http::{Http, http, listen};
pub use javascript::JavaScript;
pub use log::{Log, LogFormat};
pub use mail::Mail;
pub use management::Management;
pub use metrics::{Metrics, Place};
pub use nocobase::{Api, NocoBase};
pub use page::{Page, Sample};
pub use proxy::{Proxies, Proxy};
pub use queue::{Queue, QueueKind};
pub use reader::{Faults, Sources};
pub use request_log::RequestLog;
pub use requests::Requests;
pub use secret::Secret;
pub use secret_key::SecretKey;
pub use traces::{Sampler, Traces};
pub use workflows::Workflows;

use self::reader::Reader;

/// Every setting, by topic. The keys of `sidehook.toml` are the names of the environment in lower case, without
/// `SIDEHOOK_`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The application of NocoBase that the database is of: [`MAIN`], or a sub-application.
    pub app: String,
    /// The applications that are served beside it.
    pub apps: Apps,
    pub http: Http,
    pub database: Database,
    pub engine: Engine,
    /// What is in front of the database.
    pub queue: Queue,
    pub javascript: JavaScript,
    /// The key of NocoBase's secrets.
    pub secret_key: SecretKey,
    /// The NocoBase beside it.
    pub nocobase: NocoBase,
    /// Request nodes.
    pub requests: Requests,
    /// Mailer nodes.
    pub mail: Mail,
    /// What is kept of requests.
    pub request_log: RequestLog,
    pub log: Log,
    /// What Prometheus is told.
    pub metrics: Metrics,
    /// What a collector of OpenTelemetry is told.
    pub traces: Traces,
    /// Who may manage it.
    pub management: Management,
    /// The page for a browser on the same machine.
    pub page: Page,
    /// What is to be told although sidehook can serve, such as names of the environment that nobody reads.
    pub warnings: Vec<String>,
}

impl Config {
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let mut reader = Reader::open(sources);
        let config = Self::read(&mut reader);
        Ok(Self { warnings: reader.finish()?, ..config })
    }

    fn read(reader: &mut Reader) -> Self {
        zone::check(reader);
        Self {
            app: MAIN.to_owned(),
            apps: Apps::read(reader),
            http: Http::read(reader),
            database: Database::read(reader),
            engine: Engine::read(reader),
            queue: Queue::read(reader),
            javascript: JavaScript::read(reader),
            secret_key: SecretKey::read(reader),
            nocobase: NocoBase::read(reader),
            requests: Requests::read(reader),
            mail: Mail::read(reader),
            request_log: RequestLog::read(reader),
            log: Log::read(reader),
            metrics: Metrics::read(reader),
            traces: Traces::read(reader),
            management: Management::read(reader),
            page: Page::read(reader),
            warnings: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::store::connection::{Address, Host, TlsMode};

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
            ("DB_PASSWORD", "p@ss/word# %"),
            ("DB_SCHEMA", "nbs"),
            ("API_BASE_PATH", "v1/api"),
            ("REQUEST_BODY_LIMIT", "2mb"),
        ]);
        let config = config.expect("good settings");
        let Address::Postgres(server) = &config.database.address else { panic!("not PostgreSQL") };
        assert_eq!(server.host, Host::Name("db".into()));
        assert_eq!((server.port, &*server.user, &*server.database), (5432, "noco", "nocobase"));
        assert_eq!(server.password.as_deref(), Some("p@ss/word# %"));
        assert_eq!(server.schema.as_deref(), Some("nbs"));
        assert_eq!(server.tls.mode, TlsMode::Off);
        assert_eq!(config.http.api_base_path, "/v1/api/");
        assert_eq!(config.http.body_limit, 2 << 20);
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
        let example = include_str!("../../config.example.toml");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), example).expect("written");
        let sources = Sources { file: Some(file.path().to_owned()), environment: BTreeMap::new() };
        let from_example = Config::load(&sources).expect("the example is valid");
        let defaults = load(&[("SIDEHOOK_DATABASE_URL", "sqlite://storage/db/nocobase.sqlite?mode=rwc")])
            .expect("defaults");
        let known = format!("{defaults:?}");
        assert_eq!(format!("{from_example:?}"), known);
        let table: toml::Table = example.parse().expect("TOML");
        let keys: BTreeSet<String> = table.keys().cloned().collect();
        let mut reader = Reader::open(&sources);
        Config::read(&mut reader);
        assert_eq!(keys, reader.known_keys(), "config.example.toml and the settings that are read");
    }

    #[test]
    fn numbers_and_times_have_bounds() {
        let faults = load(&[
            ("SIDEHOOK_DATABASE_URL", "sqlite:///tmp/x"),
            ("DB_POOL_MAX", "0"),
            ("SIDEHOOK_WORKERS", "99999999999"),
            ("REQUEST_BODY_LIMIT", "0"),
            ("SIDEHOOK_SYNC_TIMEOUT", "0"),
        ]);
        let text = faults.expect_err("bad settings").to_string();
        for name in ["DB_POOL_MAX", "SIDEHOOK_WORKERS", "REQUEST_BODY_LIMIT", "SIDEHOOK_SYNC_TIMEOUT"] {
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_parts_of_a_database_is_told() {
        let fault = |name: &str, text: &str| {
            let settings = [("DB_DIALECT", "postgres"), ("DB_PASSWORD", "hunter2"), (name, text)];
            load(&settings).expect_err("bad settings").to_string()
        };
        assert!(fault("DB_PORT", "abc").contains("DB_PORT must be a port number"));
        assert!(fault("DB_HOST", "a b").contains("DB_HOST"));
        assert!(
            fault("SIDEHOOK_DATABASE_URL", "postgres://u:hunter2@h:x/d").contains("SIDEHOOK_DATABASE_URL")
        );
        assert!(!fault("DB_HOST", "hunter2 x").contains("hunter2"));
        let config = load(&[("DB_DIALECT", "mysql"), ("DB_HOST", "::1")]).expect("good settings");
        let Address::Mysql(server) = config.database.address else { panic!("not MySQL") };
        assert_eq!((server.host, server.port), (Host::Name("::1".into()), 3306));
    }

    #[test]
    fn tls_is_what_nocobases_settings_ask_for() {
        let tls = |settings: &[(&str, &str)]| {
            let all = [&[("DB_DIALECT", "postgres"), ("DB_HOST", "db")], settings].concat();
            load(&all).map(|config| match config.database.address {
                Address::Postgres(server) | Address::Mysql(server) => server.tls.mode,
                Address::Sqlite { .. } => panic!("no server"),
            })
        };
        let (mode, verify) = ("DB_DIALECT_OPTIONS_SSL_MODE", "DB_DIALECT_OPTIONS_SSL_REJECT_UNAUTHORIZED");
        let good = |settings: &[(&str, &str)]| tls(settings).expect("good settings");
        assert_eq!(good(&[]), TlsMode::Off);
        assert_eq!(good(&[(mode, "require")]), TlsMode::VerifyFull);
        assert_eq!(good(&[(mode, "require"), (verify, "false")]), TlsMode::Require);
        assert_eq!(good(&[(verify, "true")]), TlsMode::VerifyFull);
        assert_eq!(good(&[("DB_DIALECT", "mysql"), (verify, "true")]), TlsMode::VerifyCa);
        assert_eq!(good(&[(mode, "disable")]), TlsMode::Off);
        for (name, text) in [
            (mode, "sometimes"),
            ("DB_DIALECT_OPTIONS_SSL_CA", "/nowhere/ca.pem"),
            ("DB_DIALECT_OPTIONS_SSL_CA", "-----BEGIN NOTHING-----"),
        ] {
            let faults = tls(&[(name, text)]).expect_err("bad settings").to_string();
            assert!(faults.contains(name), "{faults}");
        }
        let both = tls(&[(mode, "verify-full"), (verify, "false")]).expect_err("bad settings").to_string();
        assert!(both.contains(verify), "{both}");
        let url = "postgres://u@h/d?sslmode=require";
        assert_eq!(
            good(&[("SIDEHOOK_DATABASE_URL", url), (verify, "true")]),
            TlsMode::Require,
            "the URL wins"
        );
    }

    #[test]
    fn names_that_nobody_reads_are_told() {
        let base = ("SIDEHOOK_DATABASE_URL", "sqlite:///tmp/x");
        let warnings = |name| load(&[base, (name, "4")]).expect("good settings").warnings;
        assert!(warnings("SIDEHOOK_WORKRES")[0].contains("SIDEHOOK_WORKRES"));
        for name in ["SIDEHOOK_URL", "SIDEHOOK_PORT_13080_TCP", "SIDEHOOK_SERVICE_HOST", "OTHER"] {
            assert_eq!(warnings(name), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn secrets_can_be_in_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        std::fs::write(&path, "p w\n").expect("written");
        let path = path.display().to_string();
        let parts = [("DB_DIALECT", "postgres"), ("DB_HOST", "db"), ("DB_PASSWORD_FILE", &*path)];
        let config = load(&parts).expect("good settings");
        let Address::Postgres(server) = config.database.address else { panic!("not PostgreSQL") };
        assert_eq!(server.password.as_deref(), Some("p w"));
        let both = load(&[&parts[..], &[("DB_PASSWORD", "x")]].concat()).expect_err("two passwords");
        assert!(both.to_string().contains("DB_PASSWORD_FILE"), "{both}");
        let gone = load(&[parts[0], ("DB_PASSWORD_FILE", "/nowhere")]).expect_err("no such file");
        assert!(gone.to_string().contains("/nowhere"), "{gone}");
    }
}
