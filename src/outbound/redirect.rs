//! What follows a redirect: follow-redirects as axios 1.x uses it, and the checks that NocoBase adds.

use bytes::Bytes;
use url::Url;

use super::failure::Failure;
use super::headers::Headers;

/// One hop of a request.
#[derive(Clone, Debug)]
pub struct Hop {
    pub url: Url,
    /// Path and query.
    pub target: String,
    pub method: String,
    pub headers: Headers,
    pub body: Option<Bytes>,
}

/// How many redirects are followed: the number of axios.
pub(super) const MAX_REDIRECTS: usize = 21;

/// Credentials in the URL of the first hop, for its origin only.
#[derive(Clone, Debug)]
pub struct Login {
    pub origin: url::Origin,
    /// The value of `Authorization`.
    pub value: String,
}

impl Hop {
    /// Goes on to `location`, the header of a response with this status. Credentials stay with their origin.
    pub fn follow(&mut self, status: u16, location: &str, login: Option<&Login>) -> Result<(), Failure> {
        let becomes_get = match status {
            301 | 302 => self.method == "POST",
            303 => !matches!(self.method.as_str(), "GET" | "HEAD"),
            _ => false,
        };
        if becomes_get {
            "GET".clone_into(&mut self.method);
            self.body = None;
            self.headers.remove(|name| name.starts_with("content-"));
        }
        let base = self.base()?;
        let url = base.join(location).map_err(|_| Failure::invalid_url())?;
        check_scheme(&url)?;
        let is_same_origin = url.origin() == base.origin();
        self.headers.remove(|name| match name {
            "host" | "proxy-authorization" => true,
            "authorization" | "cookie" => !is_same_origin,
            _ => false,
        });
        match login {
            Some(login) if url.origin() == login.origin => {
                self.headers.set("Authorization", login.value.as_str())
            }
            Some(_) => self.headers.remove(|name| name == "authorization"),
            None => {}
        }
        self.target = target(&url);
        self.url = url;
        Ok(())
    }

    /// What a location is relative to. A `Host` header of the configuration counts as the host that was asked.
    fn base(&self) -> Result<Url, Failure> {
        match self.headers.get("host") {
            Some(host) => Url::parse(&format!("{}://{host}{}", self.url.scheme(), self.target))
                .map_err(|_| Failure::invalid_url()),
            None => Ok(self.url.clone()),
        }
    }
}

fn check_scheme(url: &Url) -> Result<(), Failure> {
    match url.scheme() {
        "http" | "https" => Ok(()),
        scheme if url.as_str().contains("://") => Err(Failure::plain(format!(
            "URL scheme \"{scheme}\" is not allowed. Only http and https are permitted."
        ))),
        scheme => Err(Failure::plain(format!("Unsupported protocol {scheme}:"))),
    }
}

fn target(url: &Url) -> String {
    match url.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(method: &str) -> Hop {
        let mut headers = Headers::default();
        for name in ["Content-Type", "Authorization", "Cookie", "Proxy-Authorization", "X-Own"] {
            headers.set(name, "v");
        }
        let url = Url::parse("http://a.test:81/dir/x?q=1").expect("a URL");
        Hop { target: target(&url), url, method: method.to_owned(), headers, body: Some("body".into()) }
    }

    fn names(hop: &Hop) -> Vec<&str> {
        hop.headers.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn methods_change_as_browsers_change_them() {
        let cases = [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (302, "PUT", "PUT"),
            (303, "PUT", "GET"),
            (303, "HEAD", "HEAD"),
            (307, "POST", "POST"),
            (308, "DELETE", "DELETE"),
        ];
        for (status, method, expected) in cases {
            let mut hop = hop(method);
            hop.follow(status, "y", None).expect("followed");
            let is_kept = method == expected;
            assert_eq!((hop.method.as_str(), hop.body.is_some()), (expected, is_kept), "{status} {method}");
            assert_eq!(hop.headers.get("content-type").is_some(), is_kept, "{status} {method}");
        }
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        for (location, is_same) in [
            ("y", true),
            ("http://a.test:81/", true),
            ("//a.test:81/", true),
            ("http://a.test/", false),
            ("https://a.test:81/", false),
            ("http://sub.a.test:81/", false),
            ("http://a.test:81@evil.test/", false),
        ] {
            let mut hop = hop("GET");
            hop.follow(307, location, None).expect(location);
            let expected: &[&str] = if is_same {
                &["Content-Type", "Authorization", "Cookie", "X-Own"]
            } else {
                &["Content-Type", "X-Own"]
            };
            assert_eq!(names(&hop), expected, "{location}");
        }
    }

    #[test]
    fn a_login_in_the_url_comes_back_only_to_its_origin() {
        let mut hop = hop("GET");
        let login = Login { origin: hop.url.origin(), value: "Basic x".to_owned() };
        hop.follow(302, "http://b.test/", Some(&login)).expect("followed");
        assert_eq!(hop.headers.get("authorization"), None);
        hop.follow(302, "http://a.test:81/z?a#f", Some(&login)).expect("followed");
        assert_eq!(hop.headers.get("authorization"), Some("Basic x"));
        assert_eq!(hop.target, "/z?a");
    }

    #[test]
    fn other_schemes_and_nonsense_are_refused() {
        let message = |location: &str| hop("GET").follow(302, location, None).expect_err(location).message;
        assert_eq!(
            message("ftp://a/"),
            "URL scheme \"ftp\" is not allowed. Only http and https are permitted."
        );
        assert_eq!(
            message("file:///etc/passwd"),
            "URL scheme \"file\" is not allowed. Only http and https are permitted."
        );
        assert_eq!(message("data:,x"), "Unsupported protocol data:");
        assert_eq!(message("http://[/"), "Invalid URL");
    }

    #[test]
    fn a_host_header_counts_for_relative_locations_and_goes() {
        let mut hop = hop("GET");
        hop.headers.set("Host", "named.test");
        hop.follow(302, "/y", None).expect("followed");
        assert_eq!((hop.url.as_str(), hop.headers.get("host")), ("http://named.test/y", None));
    }
}
