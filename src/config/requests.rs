//! The settings of request nodes: where requests may go, and where the files that they send are.

use std::path::PathBuf;
use std::time::Duration;

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
    /// `SIDEHOOK_REQUEST_RESPONSE_LIMIT`: the longest body of an answer in bytes, written like `10mb`.
    pub response_limit: usize,
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

impl Requests {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let roots = reader.text("LOCAL_STORAGE_ALLOWED_ROOTS").unwrap_or_default();
        let roots = roots.split(',').map(str::trim).filter(|root| !root.is_empty());
        Self {
            whitelist: reader.text("SERVER_REQUEST_WHITELIST").unwrap_or_default(),
            // NocoBase takes everything but `true` for false.
            disallow_ip: reader.text("SERVER_REQUEST_DISALLOW_IP").as_deref() == Some("true"),
            refuse_private: reader
                .with("SIDEHOOK_REQUEST_PRIVATE", "allow or refuse", |text| match text {
                    "allow" => Some(false),
                    "refuse" => Some(true),
                    _ => None,
                })
                .unwrap_or(false),
            response_limit: reader.size("SIDEHOOK_REQUEST_RESPONSE_LIMIT", 10 << 20),
            time_limit: reader.duration("SIDEHOOK_REQUEST_TIME_LIMIT", Duration::from_secs(900)),
            extra_certificates: reader.text("NODE_EXTRA_CA_CERTS").map(PathBuf::from),
            storage: reader.text("STORAGE_PATH").unwrap_or_else(|| "storage".to_owned()).into(),
            uploads: reader.text("LOCAL_STORAGE_DEST").map(PathBuf::from),
            other_roots: roots.map(PathBuf::from).collect(),
        }
    }
}
