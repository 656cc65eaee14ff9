//! The settings of request nodes: where requests may go, and where the files that they send are.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::proxy::Proxies;
use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct Requests {
    /// `SERVER_REQUEST_WHITELIST`: the only hosts to send requests to: addresses, ranges like `10.0.0.0/8`,
    /// names, and `*.` with a name for one label before it. Empty for all.
    pub whitelist: String,
    /// `SERVER_REQUEST_DISALLOW_IP`: whether to refuse URLs with an address instead of a name.
    pub disallow_ip: bool,
    /// `SIDEHOOK_REQUEST_PRIVATE`: `refuse` to refuse private addresses that the whitelist does not name.
    pub refuse_private: bool,
    /// `SIDEHOOK_REQUEST_PROXY`: the proxies to send requests through.
    pub proxies: Proxies,
    /// `SIDEHOOK_REQUEST_RESPONSE_LIMIT`: the longest body of an answer in bytes, written like `10mb`.
    pub response_limit: usize,
    /// `SIDEHOOK_REQUEST_FILE_LIMIT`: the longest file of an object storage in bytes, written like `100mb`.
    pub file_limit: usize,
    /// `SIDEHOOK_REQUEST_TIME_LIMIT`: how long a request may take in all, until its answer is whole.
    pub time_limit: Duration,
    /// `NODE_EXTRA_CA_CERTS`: a file of certificates to trust beside the well-known ones.
    pub extra_certificates: Option<PathBuf>,
    /// `STORAGE_PATH`: NocoBase's storage folder.
    pub storage: PathBuf,
    /// `LOCAL_STORAGE_DEST`: where NocoBase keeps files, when not in `uploads` of its storage folder.
    pub uploads: Option<PathBuf>,
    /// `LOCAL_STORAGE_ALLOWED_ROOTS`: other folders that NocoBase's storages may name, between commas.
    pub other_roots: Vec<PathBuf>,
}

/// The whitelist as it is. An entry that no host can have is a fault: it would open nothing, or not what was meant.
fn whitelist(reader: &mut Reader) -> String {
    const NAME: &str = "SERVER_REQUEST_WHITELIST";
    let text = reader.text(NAME).unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let wrong: Vec<String> =
        entries.filter(|entry| !is_host_or_range(entry)).map(|entry| format!("{entry:?}")).collect();
    if !wrong.is_empty() {
        reader.fault_text(format!(
            "{NAME} must have addresses, ranges like 10.0.0.0/8, names, and *. with a name, without scheme, port or \
             path: {} is none of them",
            wrong.join(", ")
        ));
    }
    text
}

/// Whether an entry of the whitelist can stand for a host of a URL.
pub(super) fn is_host_or_range(entry: &str) -> bool {
    if let Some((address, prefix)) = entry.split_once('/') {
        let (Ok(address), Ok(prefix)) = (address.parse::<IpAddr>(), prefix.parse::<u8>()) else {
            return false;
        };
        return prefix <= if address.is_ipv4() { 32 } else { 128 };
    }
    if entry.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = entry.strip_prefix("*.").unwrap_or(entry);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let labels: Vec<&str> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
    // What ends in a number is an address in a URL, whole or not.
    let is_number = |label: &&str| label.bytes().all(|byte| byte.is_ascii_digit());
    labels.iter().all(|label| is_label(label)) && !labels.last().is_some_and(is_number)
}

impl Requests {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let roots = reader.text("LOCAL_STORAGE_ALLOWED_ROOTS").unwrap_or_default();
        let roots = roots.split(',').map(str::trim).filter(|root| !root.is_empty());
        Self {
            whitelist: whitelist(reader),
            // NocoBase takes everything but `true` for false.
            disallow_ip: reader.text("SERVER_REQUEST_DISALLOW_IP").as_deref() == Some("true"),
            refuse_private: reader
                .with("SIDEHOOK_REQUEST_PRIVATE", "allow or refuse", |text| match text {
                    "allow" => Some(false),
                    "refuse" => Some(true),
                    _ => None,
                })
                .unwrap_or(false),
            proxies: Proxies::read(reader),
            response_limit: reader.size("SIDEHOOK_REQUEST_RESPONSE_LIMIT", 10 << 20),
            file_limit: reader.size("SIDEHOOK_REQUEST_FILE_LIMIT", 100 << 20),
            time_limit: reader.duration("SIDEHOOK_REQUEST_TIME_LIMIT", Duration::from_secs(900)),
            extra_certificates: reader.text("NODE_EXTRA_CA_CERTS").map(PathBuf::from),
            storage: reader.text("STORAGE_PATH").unwrap_or_else(|| "storage".to_owned()).into(),
            uploads: reader.text("LOCAL_STORAGE_DEST").map(PathBuf::from),
            other_roots: roots.map(PathBuf::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    #[test]
    fn entries_of_the_whitelist_stand_for_hosts() {
        for entry in [
            "api.example.com",
            "*.trusted.com",
            "10.0.0.0/8",
            "::1",
            "fd00::/8",
            "127.0.0.1",
            "app_1",
            "a.b.",
        ] {
            assert!(is_host_or_range(entry), "{entry}");
        }
        for entry in [
            "https://a.b",
            "a.b:443",
            "a.b/c",
            "10.0.0.0/33",
            "10.0.0.256",
            "*",
            "*.",
            "a b",
            "a..b",
            "größe.de",
        ] {
            assert!(!is_host_or_range(entry), "{entry}");
        }
    }

    #[test]
    fn nonsense_in_the_whitelist_is_named() {
        let environment = [
            ("SIDEHOOK_DATABASE_URL", "sqlite://a.sqlite"),
            ("SERVER_REQUEST_WHITELIST", "a.example, https://b.example/,10.0.0.0/99"),
        ];
        let environment =
            environment.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter().collect();
        let faults = Config::load(&Sources { file: None, environment }).expect_err("they are refused").0;
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].ends_with(r#""https://b.example/", "10.0.0.0/99" is none of them"#), "{faults:?}");
    }
}
