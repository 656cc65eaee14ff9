//! The proxies of request nodes.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::reader::Reader;
use super::secret::Secret;

/// `SIDEHOOK_REQUEST_PROXY`: `off`; `env` for those of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, which axios
/// follows by itself; or the URL of one for all requests. The names in lower case come first where both are set.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For targets of `http://`.
    pub http: Option<Proxy>,
    /// For targets of `https://`.
    pub https: Option<Proxy>,
    /// The targets that none is asked for, as `NO_PROXY` has them.
    pub exempt: String,
}

#[derive(Clone, Debug)]
pub struct Proxy {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    /// `user:password`.
    pub login: Option<Secret>,
}

const NAME: &str = "SIDEHOOK_REQUEST_PROXY";

impl Proxies {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let choice = reader.secret(NAME);
        let [http, https, exempt] =
            ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].map(|name| (name, conventional(reader, name)));
        match choice.as_ref().map_or("off", |choice| choice.reveal().trim()) {
            "off" | "" => Self::default(),
            "env" => {
                if http.1.is_none() && https.1.is_none() {
                    reader.warn(format!(
                        "{NAME} is env, and neither HTTP_PROXY nor HTTPS_PROXY is set: requests go without a proxy"
                    ));
                }
                let mut read =
                    |(name, url): (&str, Option<String>)| url.and_then(|url| proxy(reader, name, "", &url));
                Self { http: read(http), https: read(https), exempt: exempt.1.unwrap_or_default() }
            }
            url => {
                let proxy = proxy(reader, NAME, "off, env or ", url);
                Self { http: proxy.clone(), https: proxy, exempt: String::new() }
            }
        }
    }
}

/// A setting that other programs read in lower case as well.
fn conventional(reader: &mut Reader, name: &str) -> Option<String> {
    let own = reader.environment(&name.to_lowercase()).map(str::to_owned);
    // Read in any case: the file may have it.
    let text = reader.text(name);
    own.or(text)
}

/// What a URL says, which may lack its scheme; a fault when it is none of a proxy.
fn proxy(reader: &mut Reader, name: &str, others: &str, text: &str) -> Option<Proxy> {
    let text = text.trim();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.as_deref().is_some_and(|scheme| scheme != "http") {
        reader.fault_text(format!(
            "{name} names a proxy that is not spoken to by plain HTTP, which sidehook cannot do: name one that starts \
             with http://, which takes https:// targets as well"
        ));
        return None;
    }
    let whole = if scheme.is_some() { text.to_owned() } else { format!("http://{text}") };
    let read = Url::parse(&whole).ok().and_then(|url| of_url(&url));
    if read.is_none() {
        reader.fault(
            name,
            &format!("{others}the URL of a proxy, such as http://user:password@proxy.example:3128"),
        );
    }
    read
}

fn of_url(url: &Url) -> Option<Proxy> {
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).ok();
    let (user, password) = (decoded(url.username())?, decoded(url.password().unwrap_or_default())?);
    let has_login = !user.is_empty() || !password.is_empty();
    let login = has_login.then(|| Secret::new(format!("{user}:{password}")));
    Some(Proxy { host, port: url.port_or_known_default()?, login })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Sources};

    fn load(environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let base = [("SIDEHOOK_DATABASE_URL", "sqlite://a.sqlite")];
        let pairs =
            base.iter().chain(environment).map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Config::load(&Sources { file: None, environment: pairs.collect() }).map_err(|faults| faults.0)
    }

    /// Host and port of the proxies for `http://` and `https://`.
    fn places(environment: &[(&str, &str)]) -> [Option<String>; 2] {
        let proxies = load(environment).expect("good settings").requests.proxies;
        [proxies.http, proxies.https].map(|proxy| proxy.map(|proxy| format!("{} {}", proxy.host, proxy.port)))
    }

    #[test]
    fn the_names_of_other_programs_count_when_they_are_asked_for() {
        let all = [
            ("HTTP_PROXY", "http://upper.test"),
            ("http_proxy", "http://lower.test:3128/"),
            ("https_proxy", "[::1]:8080"),
            ("NO_PROXY", "a.test"),
        ];
        assert_eq!(places(&all), [None, None]);
        let with = |choice| [&all[..], &[("SIDEHOOK_REQUEST_PROXY", choice)]].concat();
        assert_eq!(places(&with("off")), [None, None]);
        assert_eq!(places(&with("env")), [Some("lower.test 3128".into()), Some("::1 8080".into())]);
        assert_eq!(load(&with("env")).expect("good settings").requests.proxies.exempt, "a.test");
        let one = load(&with("http://one.test:1")).expect("good settings").requests.proxies;
        assert_eq!((one.http.expect("a proxy").port, one.https.expect("a proxy").port), (1, 1));
        assert_eq!(one.exempt, "", "NO_PROXY belongs to env");
    }

    #[test]
    fn env_without_a_proxy_is_told() {
        let warnings = |names: &[(&str, &str)]| {
            load(&[&[("SIDEHOOK_REQUEST_PROXY", "env")], names].concat()).expect("good settings").warnings
        };
        assert!(warnings(&[])[0].contains("HTTPS_PROXY"));
        assert_eq!(warnings(&[("HTTPS_PROXY", "http://proxy.test")]), Vec::<String>::new());
    }

    #[test]
    fn credentials_are_decoded_and_not_printed() {
        let config = load(&[("SIDEHOOK_REQUEST_PROXY", "http://us%40er:hunter%3A2@proxy.test")]);
        let config = config.expect("good settings");
        let login = config.requests.proxies.https.as_ref().and_then(|proxy| proxy.login.clone());
        assert_eq!(login.expect("a login").reveal(), "us@er:hunter:2");
        assert!(!format!("{config:?}").contains("hunter"));
    }

    #[test]
    fn what_is_no_proxy_is_named_without_its_value() {
        let faults = load(&[
            ("SIDEHOOK_REQUEST_PROXY", "env"),
            ("HTTP_PROXY", "http://hunter2@/"),
            ("HTTPS_PROXY", "https://user:hunter2@proxy.test"),
        ]);
        let faults = faults.expect_err("bad settings");
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("HTTP_PROXY must be the URL"), "{faults:?}");
        assert!(faults[1].starts_with("HTTPS_PROXY names a proxy"), "{faults:?}");
        assert!(!faults.concat().contains("hunter2"), "{faults:?}");
        for text in ["socks5://proxy.test", "http://proxy.test/path", "http://proxy.test:x", "on off"] {
            let faults = load(&[("SIDEHOOK_REQUEST_PROXY", text)]).expect_err(text);
            assert!(faults[0].starts_with("SIDEHOOK_REQUEST_PROXY "), "{faults:?}");
        }
    }
}
