//! Which requests go through a proxy, and what the proxy is told of them. The rules are those of proxy-from-env, which
//! axios follows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

use super::failure::Failure;

/// A proxy that is spoken to by HTTP.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    /// The value of `Proxy-Authorization`; it is never printed.
    authorization: Option<HeaderValue>,
}

/// The proxies for targets of each scheme, and the targets that none is asked for.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    pub http: Option<Proxy>,
    pub https: Option<Proxy>,
    pub exempt: Exempt,
}

/// The entries of `NO_PROXY`.
#[derive(Clone, Debug, Default)]
pub struct Exempt(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    /// In lower case; addresses of IPv6 in brackets.
    host: String,
    /// Whether hosts only have to end so.
    is_suffix: bool,
    /// Any unless there is one.
    port: Option<u32>,
}

impl Proxy {
    /// `login` is `user:password`.
    pub fn new(host: impl Into<String>, port: u16, login: Option<&str>) -> Self {
        let authorization = login.and_then(|login| {
            let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(login))).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self { host: host.into(), port, authorization }
    }

    /// Adds the credentials, in place of any others.
    pub(super) fn authorize(&self, headers: &mut HeaderMap) {
        if let Some(authorization) = &self.authorization {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
    }

    /// What a request has when the proxy itself reads it. `Host` becomes that of the URL, as with axios: some proxies go
    /// by it, and the guard has judged the URL.
    pub(super) fn address(&self, headers: &mut HeaderMap, uri: &Uri) {
        let authority = uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
        if let Some(Ok(host)) = authority {
            headers.insert(HOST, host);
        }
        self.authorize(headers);
    }
}

impl Proxies {
    /// The proxy for a URL. The scheme and the authority alone decide, as kept connections are kept by them.
    pub(super) fn of(&self, uri: &Uri) -> Option<&Proxy> {
        let (proxy, default) = match uri.scheme_str() {
            Some("http") => (&self.http, 80),
            Some("https") => (&self.https, 443),
            _ => return None,
        };
        let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(default));
        proxy.as_ref().filter(|_| !self.exempt.has(host, port))
    }
}

impl Exempt {
    /// Entries between commas or white space: hosts, `.name` and `*name` for all that ends so, each with a port behind a
    /// colon or for all; `*` for everything. Ranges of addresses mean nothing.
    pub fn parse(text: &str) -> Self {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        Self(entries.map(|entry| Entry::parse(&entry.to_lowercase())).collect())
    }

    /// `host` is in lower case, as in a URL.
    fn has(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|entry| entry.has(host, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match text.rsplit_once(':') {
            // A number that is no port stands for none of them.
            Some((host, port)) if !host.is_empty() && is_port(port) => {
                (host, Some(port.parse().unwrap_or(u32::MAX)).filter(|port| *port != 0))
            }
            _ => (text, None),
        };
        let is_suffix = host.starts_with(['.', '*']);
        Self { host: host.strip_prefix('*').unwrap_or(host).to_owned(), is_suffix, port }
    }

    fn has(&self, host: &str, port: u16) -> bool {
        let is_host = if self.is_suffix { host.ends_with(&self.host) } else { host == self.host };
        is_host && self.port.is_none_or(|own| own == u32::from(port))
    }
}

/// The failure of a proxy that no connection can be had to.
pub(super) fn unreached(cause: Failure) -> Failure {
    of_proxy("The proxy cannot be reached", cause)
}

/// The failure of a tunnel that did not come about.
pub(super) fn untunneled(cause: Failure) -> Failure {
    of_proxy("The proxy has opened no tunnel", cause)
}

/// The failure of a proxy that answers with this status in place of the target.
pub(super) fn refused(status: StatusCode) -> Failure {
    let code = if status.is_client_error() { "ERR_BAD_REQUEST" } else { "ERR_BAD_RESPONSE" };
    let hint = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            ": it wants a user and a password, or other ones; they belong into its URL in sidehook's settings"
        }
        _ => "",
    };
    Failure::coded(
        code,
        format!("The proxy has refused the request with status code {}{hint}", status.as_u16()),
    )
}

fn of_proxy(what: &str, cause: Failure) -> Failure {
    Failure { message: format!("{what}: {}", cause.message), ..cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_exempt(entries: &str, url: &str) -> bool {
        let proxy = Some(Proxy::new("proxy.test", 3128, None));
        let proxies = Proxies { http: proxy.clone(), https: proxy, exempt: Exempt::parse(entries) };
        proxies.of(&url.parse().expect(url)).is_none()
    }

    #[test]
    fn no_proxy_is_read_as_by_proxy_from_env() {
        let exempt = [
            ("*", "http://a.test/"),
            ("x,*", "http://a.test/"),
            ("a.test", "http://a.test/"),
            ("A.Test", "https://a.test:8443/"),
            ("x, a.test", "http://a.test/"),
            ("x a.test\ty", "http://a.test/"),
            (".a.test", "http://b.a.test/"),
            (".a.test", "http://c.b.a.test/"),
            ("*.a.test", "http://b.a.test/"),
            ("*a.test", "http://ba.test/"),
            ("a.test:80", "http://a.test/"),
            ("a.test:443", "https://a.test/"),
            ("a.test:81", "http://a.test:81/"),
            ("a.test:0", "http://a.test:81/"),
            (".a.test:81", "http://b.a.test:81/"),
            ("10.0.0.1", "http://10.0.0.1/"),
            ("[::1]", "http://[::1]/"),
            ("[::1]:81", "http://[::1]:81/"),
        ];
        for (entries, url) in exempt {
            assert!(is_exempt(entries, url), "{entries} {url}");
        }
        let proxied = [
            ("", "http://a.test/"),
            (" ,, ", "http://a.test/"),
            ("a.test", "http://b.a.test/"),
            ("b.a.test", "http://a.test/"),
            (".a.test", "http://a.test/"),
            ("*.a.test", "http://a.test/"),
            (".a.test", "http://ba.test/"),
            ("a.test:81", "http://a.test/"),
            ("a.test:80", "https://a.test/"),
            ("a.test:99999999999", "http://a.test/"),
            ("a.*", "http://a.test/"),
            ("10.0.0.0/8", "http://10.0.0.1/"),
            ("::1", "http://[::1]/"),
        ];
        for (entries, url) in proxied {
            assert!(!is_exempt(entries, url), "{entries} {url}");
        }
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let proxies = Proxies { https: Some(Proxy::new("proxy.test", 3128, None)), ..Proxies::default() };
        let of = |url: &str| proxies.of(&url.parse().expect(url)).map(|proxy| proxy.port);
        assert_eq!((of("http://a.test/"), of("https://a.test/")), (None, Some(3128)));
    }

    #[test]
    fn credentials_are_sent_and_never_printed() {
        let proxy = Proxy::new("proxy.test", 3128, Some("user:xyzzy"));
        let mut headers = HeaderMap::new();
        proxy.authorize(&mut headers);
        assert_eq!(headers[PROXY_AUTHORIZATION], "Basic dXNlcjp4eXp6eQ==");
        let printed = format!("{proxy:?} {headers:?}");
        assert!(!printed.contains("xyzzy") && !printed.contains("dXNlcjp4eXp6eQ=="), "{printed}");
    }
}
