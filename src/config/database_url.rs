//! `SIDEHOOK_DATABASE_URL` in parts. What is wrong with one is told without its text, which holds the password.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::{ParseError, Url};

use crate::store::connection::{Address, Host, Pem, Server, Tls, TlsMode};

/// What a URL says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub address: Address,
    /// Whether it has parameters about TLS.
    pub says_tls: bool,
}

const ESCAPES: &str = "; in a user or a password # / ? @ : and % are written as %23 %2F %3F %40 %3A and %25";

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

/// The error goes on a sentence that begins with the name of the setting.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let text = text.trim();
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    match scheme {
        "sqlite" => sqlite(rest),
        "postgres" | "postgresql" => server(text, 5432, true),
        "mysql" | "mariadb" => server(text, 3306, false),
        _ => Err("must begin with postgres://, mysql:// or sqlite://".to_owned()),
    }
}

fn sqlite(rest: &str) -> Result<Parsed, String> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let file = decoded(path).ok_or("must name a file in UTF-8")?;
    if file.is_empty() || file == ":memory:" {
        return Err("must name a file".to_owned());
    }
    let mut creates = false;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair {
            "mode=rwc" => creates = true,
            "mode=rw" => creates = false,
            _ => return Err("has an unknown parameter: SQLite has mode=rwc and mode=rw".to_owned()),
        }
    }
    let address = Address::Sqlite { file: PathBuf::from(file.into_owned()), creates };
    Ok(Parsed { address, says_tls: false })
}

fn server(text: &str, default_port: u16, is_postgres: bool) -> Result<Parsed, String> {
    let url = Url::parse(text).map_err(|err| unparsed(text, err))?;
    if url.fragment().is_some() {
        return Err(format!("has a # in it{ESCAPES}"));
    }
    let strays = url.path().contains('@') || url.query().is_some_and(|query| query.contains('@'));
    if strays || url.path().matches('/').count() > 1 {
        return Err(format!("has a / or a ? too early{ESCAPES}"));
    }
    let user = decoded(url.username()).ok_or("must have a user in UTF-8")?;
    let password = url.password().map(|password| decoded(password).ok_or("must have a password in UTF-8"));
    let database = decoded(url.path().trim_start_matches('/')).ok_or("must name a database in UTF-8")?;
    if url.host_str().is_some_and(|host| host.contains(',')) {
        return Err("names several hosts: sidehook takes one, such as a TCP proxy before them".to_owned());
    }
    let mut server = Server {
        host: url.host_str().and_then(|text| host(&decoded(text)?)).unwrap_or(Host::Name("localhost".into())),
        port: url.port().unwrap_or(default_port),
        user: if user.is_empty() { "nocobase".to_owned() } else { user.into_owned() },
        password: password.transpose()?.map(Cow::into_owned),
        database: if database.is_empty() { "nocobase".to_owned() } else { database.into_owned() },
        schema: None,
        tls: Tls { mode: TlsMode::Prefer, ..Tls::default() },
        statement_cache: None,
    };
    if server.port == 0 {
        return Err("has 0 as its port".to_owned());
    }
    let says_tls = parameters(&url, &mut server)?;
    let address = if is_postgres { Address::Postgres(server) } else { Address::Mysql(server) };
    Ok(Parsed { address, says_tls })
}

/// A place to connect to; `None` for what can be none.
pub(super) fn host(text: &str) -> Option<Host> {
    let text = text.trim();
    if text.starts_with('/') {
        return Some(Host::Socket(text.into()));
    }
    let name = text.trim_start_matches('[').trim_end_matches(']');
    let is_odd = |c: char| c.is_whitespace() || "/@#?,%\\\"'[]".contains(c);
    let is_name = !name.contains(':') || name.split('%').next()?.parse::<std::net::Ipv6Addr>().is_ok();
    (!name.is_empty() && is_name && !name.contains(is_odd)).then(|| Host::Name(name.to_owned()))
}

fn unparsed(text: &str, err: ParseError) -> String {
    if text.contains(',') {
        return "names several hosts, or has a , in it: sidehook takes one host".to_owned();
    }
    match err {
        ParseError::InvalidPort => format!("has a port that is no number{ESCAPES}"),
        ParseError::InvalidIpv6Address => "has a bad IPv6 address: it is written in brackets".to_owned(),
        ParseError::EmptyHost => "names no host".to_owned(),
        ParseError::InvalidIpv4Address | ParseError::InvalidDomainCharacter | ParseError::IdnaError => {
            format!("has a host with characters that no host has{ESCAPES}")
        }
        _ => format!("cannot be read as a URL{ESCAPES}"),
    }
}

/// Takes the parameters; returns whether any is about TLS.
fn parameters(url: &Url, server: &mut Server) -> Result<bool, String> {
    let (mut certificate, mut key, mut says_tls) = (None, None, false);
    for (name, value) in url.query_pairs() {
        let name = name.to_ascii_lowercase().replace('_', "-");
        match name.as_str() {
            "sslmode" | "ssl-mode" => {
                server.tls.mode = mode(&value).ok_or(
                    "has an unknown sslmode: there are disable, prefer, require, verify-ca and verify-full",
                )?;
                says_tls = true;
            }
            "sslrootcert" | "ssl-root-cert" | "sslca" | "ssl-ca" => server.tls.ca = Some(pem(&name, &value)?),
            "sslcert" | "ssl-cert" => certificate = Some(pem(&name, &value)?),
            "sslkey" | "ssl-key" => key = Some(pem(&name, &value)?),
            "host" | "socket" if value.starts_with('/') => server.host = Host::Socket(value.as_ref().into()),
            "statement-cache-capacity" => {
                let capacity = value.parse().map_err(|_| format!("has a {name} that is no number"))?;
                server.statement_cache = Some(capacity);
            }
            // Its name could be a piece of a password with a question mark in it, if it is no plain word.
            _ if name.len() <= 32 && name.chars().all(|c| c.is_ascii_lowercase() || c == '-') => {
                return Err(format!("has an unknown parameter {name}; {PARAMETERS}"));
            }
            _ => return Err(format!("has an unknown parameter; {PARAMETERS}")),
        }
    }
    says_tls |= server.tls.ca.is_some() || certificate.is_some() || key.is_some();
    server.tls.identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("has one of sslcert and sslkey without the other".to_owned()),
    };
    Ok(says_tls)
}

const PARAMETERS: &str = "there are sslmode, sslrootcert, sslcert, sslkey (MySQL: ssl-mode, ssl-ca, ssl-cert, ssl-key), \
                          host or socket with the path of a socket, and statement-cache-capacity";

/// libpq's names and MySQL's.
fn mode(text: &str) -> Option<TlsMode> {
    match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Some(TlsMode::Off),
        "allow" | "prefer" | "preferred" => Some(TlsMode::Prefer),
        "require" | "required" => Some(TlsMode::Require),
        "verify-ca" => Some(TlsMode::VerifyCa),
        "verify-full" | "verify-identity" => Some(TlsMode::VerifyFull),
        _ => None,
    }
}

fn pem(name: &str, file: &str) -> Result<Pem, String> {
    let text = std::fs::read_to_string(file);
    text.map(Pem).map_err(|err| format!("names a file in {name} that cannot be read: {err}"))
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_of(text: &str) -> Server {
        match parse(text).expect("a good URL").address {
            Address::Postgres(server) | Address::Mysql(server) => server,
            Address::Sqlite { .. } => panic!("no server"),
        }
    }

    #[test]
    fn parts_are_decoded() {
        let server = server_of("postgres://no%40co:p%23%2F%3F%40%20w@[::1]:6432/my%20db?sslmode=verify-full");
        assert_eq!(server.host, Host::Name("::1".into()));
        assert_eq!((server.port, &*server.user, &*server.database), (6432, "no@co", "my db"));
        assert_eq!(server.password.as_deref(), Some("p#/?@ w"));
        assert_eq!(server.tls.mode, TlsMode::VerifyFull);
        assert_eq!(server_of("mysql://u:a@b@h/d").password.as_deref(), Some("a@b"), "the last @ counts");
        assert_eq!(server_of("mariadb://u@h/d").port, 3306);
        assert_eq!(server_of("postgres://u@%2Frun%2Fpg/d").host, Host::Socket("/run/pg".into()));
        assert_eq!(server_of("postgres://u@h/d?host=/run/pg").host, Host::Socket("/run/pg".into()));
    }

    #[test]
    fn faults_name_the_part_and_never_the_text() {
        let secret = "hunter2";
        for (url, part) in [
            ("postgres://u:hunter2@h:1x/d", "port"),
            ("postgres://u:hunter2#x@h/d", "%23"),
            ("postgres://u:12#hunter2@h/d", "%23"),
            ("postgres://u:12/hunter2@h/d", "%2F"),
            ("postgres://u:12?hunter2@h/d", "%3F"),
            ("postgres://u:hunter2@a b/d", "host"),
            ("postgres://u:hunter2@a,b/d", "several hosts"),
            ("postgres://u:hunter2@a:1,b:2/d", "several hosts"),
            ("postgres://u:hunter2@[::z]/d", "IPv6"),
            ("postgres://u:hunter2@h/d?sslmod=require", "sslmod"),
            ("postgres://u:hunter2@h/d?ssl=true", "unknown parameter ssl"),
            ("postgres://u:hunter2@h/d?sslmode=maybe", "sslmode"),
            ("postgres://u:hunter2@h/d?sslrootcert=/nowhere", "sslrootcert"),
            ("pg://u:hunter2@h/d", "postgres://"),
            ("sqlite:///x?cache=hunter2", "unknown parameter"),
            ("hunter2", "must begin"),
        ] {
            let fault = parse(url).expect_err(url);
            assert!(fault.contains(part), "{url}: {fault}");
            assert!(!fault.contains(secret), "{fault}");
        }
    }

    #[test]
    fn sqlite_urls_come_back_as_files() {
        let file = Path::new("/data/my %x?.sqlite");
        let address = parse(&sqlite_url(file)).expect("a good URL").address;
        assert_eq!(address, Address::Sqlite { file: file.to_owned(), creates: true });
    }

    #[test]
    fn hosts_are_names_addresses_and_sockets() {
        assert_eq!(host("[::1]"), Some(Host::Name("::1".into())));
        assert_eq!(host("::1"), Some(Host::Name("::1".into())));
        assert_eq!(host("db.example.com"), Some(Host::Name("db.example.com".into())));
        for bad in ["", "a b", "h:5432", "a/b", "u@h", "h#x", "a,b"] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }
}
