//! The settings: defaults, then `sidehook.toml`, then the environment. NocoBase's own variables are read
//! under their own names, so that one env file serves both; sidehook's own start with `SIDEHOOK_`. All
//! faults are reported together.

mod database;
mod engine;
mod http;
mod javascript;
mod log;
mod nocobase;
mod reader;
mod requests;
mod secret;
mod secret_key;
mod zone;

pub use database::{Database, sqlite_url};
pub use engine::Engine;
pub use http::{Http, listen};
pub use javascript::JavaScript;
pub use log::{Log, LogFormat};
pub use nocobase::NocoBase;
pub use reader::{Faults, Sources};
pub use requests::Requests;
pub use secret::Secret;
pub use secret_key::SecretKey;

use reader::Reader;

/// Every setting, by topic. The keys of `sidehook.toml` are the names of the environment in lower case, without
/// `SIDEHOOK_`.
#[derive(Clone, Debug)]
pub struct Config {
    pub http: Http,
    pub database: Database,
    pub engine: Engine,
    pub javascript: JavaScript,
    /// The key of NocoBase's secrets.
    pub secret_key: SecretKey,
    /// The NocoBase beside it.
    pub nocobase: NocoBase,
    /// Request nodes.
    pub requests: Requests,
    pub log: Log,
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
            http: Http::read(reader),
            database: database::database(reader),
            engine: Engine::read(reader),
            javascript: JavaScript::read(reader),
            secret_key: SecretKey::read(reader),
            nocobase: NocoBase::read(reader),
            requests: Requests::read(reader),
            log: Log::read(reader),
            warnings: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

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
        let defaults =
            load(&[("SIDEHOOK_DATABASE_URL", from_example.database.url.reveal())]).expect("defaults");
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
        assert_eq!(config.database.url.reveal(), "postgres://nocobase:p%20w@db:5432/nocobase");
        let both = load(&[&parts[..], &[("DB_PASSWORD", "x")]].concat()).expect_err("two passwords");
        assert!(both.to_string().contains("DB_PASSWORD_FILE"), "{both}");
        let gone = load(&[parts[0], ("DB_PASSWORD_FILE", "/nowhere")]).expect_err("no such file");
        assert!(gone.to_string().contains("/nowhere"), "{gone}");
    }
}
