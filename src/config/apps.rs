//! Which applications of a NocoBase are served beside the main one, and what each of them may take.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::secret::Secret;

/// The name of NocoBase's main application.
pub const MAIN: &str = "main";

const LIST: &str = "a list of names such as main,shop or main,*; main has to be in it, because its database says \
                    which others there are";
const KEYS: &str = "a list such as shop=<API key>,crm=<API key>";

#[derive(Clone, Debug)]
pub struct Apps {
    /// `SIDEHOOK_APPS`: which applications are served; without it, nothing is chosen by a request, and the database that
    /// is configured is that of the one application.
    pub served: Option<Selection>,
    /// `SIDEHOOK_APPS_MAX`: so many sub-applications are served at most.
    pub max: usize,
    /// `SIDEHOOK_APPS_POOL_MAX`: how many connections to keep at most for each sub-application.
    pub pool_max: u32,
    /// `SIDEHOOK_APPS_WORKERS`: how many asynchronous executions of each sub-application run at a time.
    pub workers: usize,
    /// `USE_DB_SCHEMA_IN_SUBAPP` of NocoBase: on PostgreSQL sub-applications have schemas in the main database.
    pub use_schemas: bool,
    /// `APP_SUPERVISOR_AES_SECRET_KEY` of NocoBase: the key of database passwords in the rows of sub-applications.
    pub password_key: Option<Secret>,
    /// `SIDEHOOK_APPS_API_KEYS`: the API keys of sub-applications for `SIDEHOOK_NOCOBASE_URL`, by their names.
    pub api_keys: BTreeMap<String, Secret>,
}

/// Names of applications, some with `*` for any characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Vec<String>);

impl Apps {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let keys = reader.secret("SIDEHOOK_APPS_API_KEYS");
        let api_keys = keys.map(|keys| api_keys(keys.reveal()));
        if matches!(api_keys, Some(None)) {
            reader.fault("SIDEHOOK_APPS_API_KEYS", KEYS);
        }
        Self {
            served: reader.with("SIDEHOOK_APPS", LIST, Selection::parse),
            max: reader.number("SIDEHOOK_APPS_MAX", 1..=1_000).unwrap_or(10),
            pool_max: reader.number("SIDEHOOK_APPS_POOL_MAX", 1..=1_000).unwrap_or(4),
            workers: reader.number("SIDEHOOK_APPS_WORKERS", 1..=10_000).unwrap_or(4),
            use_schemas: reader.text("USE_DB_SCHEMA_IN_SUBAPP").as_deref() == Some("true"),
            password_key: reader.secret("APP_SUPERVISOR_AES_SECRET_KEY"),
            api_keys: api_keys.flatten().unwrap_or_default(),
        }
    }

    /// Whether sub-applications are served.
    pub fn serves_others(&self) -> bool {
        self.served.as_ref().is_some_and(|served| served.0.iter().any(|name| name != MAIN))
    }

    /// Whether that sub-application is to be served.
    pub fn serves(&self, name: &str) -> bool {
        name != MAIN && self.served.as_ref().is_some_and(|served| served.has(name))
    }

    /// So many connections to databases sub-applications have at most: their pools, and one each for signs of life.
    pub fn connections(&self) -> u64 {
        if self.serves_others() { self.max as u64 * (u64::from(self.pool_max) + 1) } else { 0 }
    }
}

impl Selection {
    fn parse(text: &str) -> Option<Self> {
        let names: Vec<String> =
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        names.iter().any(|name| name == MAIN).then_some(Self(names))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| is_match(pattern, name))
    }
}

/// Whether a name is of a pattern in which `*` stands for any characters, or none.
fn is_match(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

fn api_keys(text: &str) -> Option<BTreeMap<String, Secret>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, key) = pair.split_once('=')?;
        (!name.is_empty() && !key.is_empty()).then(|| (name.to_owned(), Secret::new(key)))
    };
    pairs.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_choose_applications() {
        let served = |text: &str, name: &str| Selection::parse(text).expect("a list").has(name);
        for (text, name, expected) in [
            ("main", "shop", false),
            ("main, shop", "shop", true),
            ("main,*", "anything", true),
            ("main,shop_*", "shop_1", true),
            ("main,shop_*", "shop", false),
            ("main,*_test", "a_test", true),
            ("main,*_test", "a_test_2", false),
            ("main,a*b*c", "aXbYc", true),
            ("main,a*b*c", "aXcYb", false),
            ("main,a*a", "a", false),
        ] {
            assert_eq!(served(text, name), expected, "{text} {name}");
        }
        assert_eq!(Selection::parse("shop,*"), None, "main is named by its own name");
    }

    #[test]
    fn keys_are_read_by_application() {
        let keys = api_keys("shop=a.b=c, crm=d").expect("a list");
        let revealed: Vec<_> = keys.iter().map(|(name, key)| (name.as_str(), key.reveal())).collect();
        assert_eq!(revealed, [("crm", "d"), ("shop", "a.b=c")]);
        assert!(api_keys("shop").is_none() && api_keys("=x").is_none());
    }
}
