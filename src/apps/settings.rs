//! The configuration of a sub-application: that of the main one, with the database, the keys and the bounds that are
//! its own. Where its database is follows `app-options-factory.ts` of NocoBase's core; what its row says wins.

use std::path::PathBuf;

use crate::config::{Api, Config, Database, NocoBase, Workflows};
use crate::expr::{Value, json};
use crate::store::Store;
use crate::store::application::Application;
use crate::store::connection::{Address, Host, Server};
use crate::store::environment::SecretKey;

/// Why a sub-application cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("there is no application {0} in the main database")]
    Unknown(String),
    #[error("its name cannot be that of a file or a folder")]
    Name,
    #[error("its dialect is {0}: sidehook knows postgres, mysql, mariadb and sqlite")]
    Dialect(String),
    #[error("its database is of another kind than the main one, and its row does not say where")]
    Elsewhere,
    #[error("its database password is encrypted, and APP_SUPERVISOR_AES_SECRET_KEY does not open it: {0}")]
    Password(String),
    #[error("SIDEHOOK_DATA_WRITES is api, and SIDEHOOK_APPS_API_KEYS has no key of it")]
    NoKey,
    #[error("the applications cannot be read from the main database: {0}")]
    Unread(String),
}

/// The configuration of an application by its name, as the main database says it. `main` is that of the main one.
pub async fn of_app(main: &Config, store: &Store, name: &str) -> Result<Config, Unusable> {
    let rows = store.applications().await;
    let rows = rows.map_err(|err| Unusable::Unread(crate::store::fault::describe(&err)))?;
    let row = rows.iter().find(|row| row.name == name);
    of_row(main, row.ok_or_else(|| Unusable::Unknown(name.to_owned()))?)
}

/// The configuration of the application of a row.
pub(super) fn of_row(main: &Config, row: &Application) -> Result<Config, Unusable> {
    let name = row.name.as_str();
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        return Err(Unusable::Name);
    }
    let options = options(row);
    let stated = options.member("database");
    // Of NocoBase's queues the plugin gives away that of the main application only.
    let nocobase = NocoBase { workflows: Workflows::default(), ..nocobase(main, name)? };
    let database = Database {
        address: address(main, name, &options)?,
        // NocoBase gives the prefix of the main application to none of the others.
        table_prefix: text(&stated, "tablePrefix").unwrap_or_default(),
        underscored: match stated.member("underscored") {
            Value::Bool(stated) => stated,
            _ => main.database.underscored,
        },
        pool_max: main.apps.pool_max,
        ..main.database.clone()
    };
    let mut config = main.clone();
    config.app = name.to_owned();
    config.engine.workers = main.apps.workers;
    config.secret_key = main.secret_key.of_app(name);
    Ok(Config { database, nocobase, ..config })
}

/// Whether NocoBase runs the application in the process of the main one.
pub(super) fn is_run(row: &Application) -> bool {
    row.options.is_some() && !options(row).member("standaloneDeployment").is_truthy()
}

/// Whether two rows say the same as far as it matters here.
pub(super) fn are_alike(one: &Application, other: &Application) -> bool {
    let said = |row: &Application| {
        let options = options(row);
        ["database", "dbConnType", "encryptedDbPassword"]
            .map(|name| json::stringify_or_null(&options.member(name)))
    };
    one.name == other.name && (one.options == other.options || said(one) == said(other))
}

fn options(row: &Application) -> Value {
    row.options.as_ref().and_then(|text| json::parse(text.as_bytes()).ok()).unwrap_or(Value::Null)
}

/// A text that says something.
fn text(object: &Value, name: &str) -> Option<String> {
    object.member(name).as_str().filter(|text| !text.is_empty()).map(ToString::to_string)
}

/// Where NocoBase puts the database of an application unless its row says more: a file beside that of the main one, a
/// schema in its database, or a database on its server.
fn address(main: &Config, name: &str, options: &Value) -> Result<Address, Unusable> {
    let stated = options.member("database");
    let is_schema = options.member("dbConnType").as_str() == Some("new_schema");
    let address = match main.database.address.clone() {
        Address::Sqlite { file, .. } => {
            let file = file.with_file_name(format!("{name}.sqlite"));
            Address::Sqlite { file, creates: false }
        }
        Address::Postgres(server) if main.apps.use_schemas => {
            Address::Postgres(Server { schema: Some(name.to_owned()), ..server })
        }
        Address::Postgres(server) if !is_schema => {
            Address::Postgres(Server { database: name.to_owned(), ..server })
        }
        Address::Mysql(server) if !is_schema => {
            Address::Mysql(Server { database: name.to_owned(), ..server })
        }
        same => same,
    };
    let address = of_dialect(address, text(&stated, "dialect").as_deref(), &stated)?;
    Ok(match address {
        Address::Sqlite { file, creates } => {
            let file =
                text(&stated, "storage").map_or(Ok(file), |file| std::path::absolute(PathBuf::from(file)));
            Address::Sqlite { file: file.unwrap_or_default(), creates }
        }
        Address::Postgres(server) => {
            let server = stated_server(main, server, options)?;
            let schema = match stated.member("schema") {
                Value::Undefined => server.schema.clone(),
                _ => text(&stated, "schema"),
            };
            Address::Postgres(Server { schema, ..server })
        }
        Address::Mysql(server) => Address::Mysql(stated_server(main, server, options)?),
    })
}

/// The same as a database of a dialect, where the row says one.
fn of_dialect(address: Address, dialect: Option<&str>, stated: &Value) -> Result<Address, Unusable> {
    let says_server = || text(stated, "host").is_some() && text(stated, "database").is_some();
    match (dialect, address) {
        (None, same)
        | (Some("postgres"), same @ Address::Postgres(_))
        | (Some("mysql" | "mariadb"), same @ Address::Mysql(_))
        | (Some("sqlite"), same @ Address::Sqlite { .. }) => Ok(same),
        (Some("postgres"), Address::Mysql(server)) if says_server() => {
            Ok(Address::Postgres(Server { port: 5432, ..server }))
        }
        (Some("mysql" | "mariadb"), Address::Postgres(server)) if says_server() => {
            Ok(Address::Mysql(Server { port: 3306, schema: None, ..server }))
        }
        (Some("sqlite"), _) if text(stated, "storage").is_some() => {
            Ok(Address::Sqlite { file: PathBuf::new(), creates: false })
        }
        (Some("postgres" | "mysql" | "mariadb" | "sqlite"), _) => Err(Unusable::Elsewhere),
        (Some(other), _) => Err(Unusable::Dialect(other.to_owned())),
    }
}

/// A server with what the row says of it.
fn stated_server(main: &Config, server: Server, options: &Value) -> Result<Server, Unusable> {
    let stated = options.member("database");
    let port = stated.member("port");
    let port = port.as_number().or_else(|| port.as_str()?.trim().parse().ok());
    let password = match text(&stated, "password") {
        Some(sealed) if options.member("encryptedDbPassword").is_truthy() => Some(opened(main, &sealed)?),
        Some(plain) => Some(plain),
        None => server.password,
    };
    Ok(Server {
        host: match text(&stated, "host") {
            Some(path) if path.starts_with('/') => Host::Socket(path.into()),
            Some(name) => Host::Name(name),
            None => server.host,
        },
        port: port.filter(|port| (1.0..=65535.0).contains(port)).map_or(server.port, |port| port as u16),
        user: text(&stated, "username").unwrap_or(server.user),
        password,
        database: text(&stated, "database").unwrap_or(server.database),
        ..server
    })
}

fn opened(main: &Config, sealed: &str) -> Result<String, Unusable> {
    let hex = main.apps.password_key.as_ref().map(|key| key.reveal().to_owned());
    let key = SecretKey { hex, files: Vec::new() };
    key.decrypt(sealed).map_err(|err| Unusable::Password(err.to_string()))
}

/// NocoBase's API, with the key of the application: that of the main one is not known there.
fn nocobase(main: &Config, name: &str) -> Result<NocoBase, Unusable> {
    let key = main.apps.api_keys.get(name).cloned();
    let api = main.nocobase.api.as_ref().zip(key).map(|(api, key)| Api { url: api.url.clone(), key });
    if main.nocobase.writes_data && api.is_none() {
        return Err(Unusable::NoKey);
    }
    Ok(NocoBase { api, ..main.nocobase.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn config(settings: &[(&str, &str)]) -> Config {
        let pairs = settings.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Config::load(&Sources { file: None, environment: pairs.collect() }).expect("good settings")
    }

    fn of(main: &Config, options: &str) -> Result<Config, Unusable> {
        let row = Application { name: "shop".into(), cname: None, options: Some(options.into()) };
        of_row(main, &row)
    }

    fn server(config: Config) -> (Server, Option<String>) {
        match config.database.address {
            Address::Postgres(server) | Address::Mysql(server) => (server.clone(), server.schema),
            Address::Sqlite { .. } => panic!("no server"),
        }
    }

    const POSTGRES: [(&str, &str); 5] = [
        ("DB_DIALECT", "postgres"),
        ("DB_DATABASE", "nocobase"),
        ("DB_PASSWORD", "p"),
        ("DB_SCHEMA", "nb"),
        ("DB_TABLE_PREFIX", "x_"),
    ];

    #[test]
    fn an_application_has_a_database_of_its_name_with_the_schema_of_the_main_one() {
        let shop = of(&config(&POSTGRES), r#"{"autoStart":true}"#).expect("a configuration");
        assert_eq!((shop.app.as_str(), shop.database.table_prefix.as_str()), ("shop", ""));
        assert_eq!(shop.database.pool_max, 4);
        let (server, schema) = server(shop);
        assert_eq!((server.database.as_str(), schema.as_deref()), ("shop", Some("nb")));
        assert_eq!(server.password.as_deref(), Some("p"));
    }

    #[test]
    fn with_schemas_it_has_one_in_the_main_database() {
        let main = config(&[&POSTGRES[..], &[("USE_DB_SCHEMA_IN_SUBAPP", "true")]].concat());
        let (found, schema) = server(of(&main, "{}").expect("a configuration"));
        assert_eq!((found.database.as_str(), schema.as_deref()), ("nocobase", Some("shop")));
        let stated = r#"{"dbConnType":"new_schema","database":{"schema":"s"}}"#;
        let (found, schema) = server(of(&config(&POSTGRES), stated).expect("a configuration"));
        assert_eq!((found.database.as_str(), schema.as_deref()), ("nocobase", Some("s")));
    }

    #[test]
    fn what_the_row_says_wins() {
        let options = r#"{"database":{"dialect":"mysql","host":"h","port":"3310","username":"u","password":"q",
            "database":"d","tablePrefix":"t_","underscored":true}}"#;
        let found = of(&config(&POSTGRES), options).expect("a configuration");
        assert!(found.database.underscored && found.database.table_prefix == "t_");
        let (server, schema) = server(found);
        assert_eq!((server.host, server.port, schema), (Host::Name("h".into()), 3310, None));
        assert_eq!((&*server.user, server.password.as_deref(), &*server.database), ("u", Some("q"), "d"));
        let elsewhere = of(&config(&POSTGRES), r#"{"database":{"dialect":"mysql"}}"#);
        assert_eq!(elsewhere.err(), Some(Unusable::Elsewhere));
        let odd = of(&config(&POSTGRES), r#"{"database":{"dialect":"kingbase"}}"#);
        assert_eq!(odd.err(), Some(Unusable::Dialect("kingbase".into())));
    }

    #[test]
    fn a_file_lies_beside_that_of_the_main_application() {
        let main = config(&[("DB_STORAGE", "/data/db/nocobase.sqlite")]);
        let found = of(&main, "{}").expect("a configuration");
        let file = PathBuf::from("/data/db/shop.sqlite");
        assert_eq!(found.database.address, Address::Sqlite { file, creates: false });
        assert!(found.secret_key.files[0].ends_with("apps/shop/aes_key.dat"));
        let row = Application { name: "../x".into(), cname: None, options: Some("{}".into()) };
        assert_eq!(of_row(&main, &row).err(), Some(Unusable::Name));
    }

    #[test]
    fn an_application_writes_through_nocobase_with_a_key_of_its_own_only() {
        let api = [
            ("SIDEHOOK_NOCOBASE_URL", "http://nb"),
            ("SIDEHOOK_NOCOBASE_API_KEY", "k"),
            ("SIDEHOOK_DATA_WRITES", "api"),
        ];
        let main = config(&[&POSTGRES[..], &api].concat());
        assert_eq!(of(&main, "{}").err(), Some(Unusable::NoKey));
        let main = config(&[&POSTGRES[..], &api, &[("SIDEHOOK_APPS_API_KEYS", "shop=its own")]].concat());
        let found = of(&main, "{}").expect("a configuration").nocobase.api.expect("an API");
        assert_eq!(found.key.reveal(), "its own");
    }

    #[test]
    fn what_matters_of_a_row_is_compared() {
        let row =
            |options: &str| Application { name: "shop".into(), cname: None, options: Some(options.into()) };
        let first = row(r#"{"autoStart":true,"database":{"host":"a"}}"#);
        assert!(are_alike(&first, &row(r#"{"database":{"host":"a"},"autoStart":false}"#)));
        assert!(!are_alike(&first, &row(r#"{"database":{"host":"b"}}"#)));
        assert!(is_run(&first) && !is_run(&row(r#"{"standaloneDeployment":true}"#)));
    }
}
