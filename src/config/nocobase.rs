//! What sidehook knows of the NocoBase beside it.

use url::Url;

use super::reader::Reader;
use super::secret::Secret;
use super::workflows::Workflows;

#[derive(Clone, Debug)]
pub struct NocoBase {
    /// `WORKER_MODE` of NocoBase: with `!` and `-` it runs no workflows by itself.
    pub runs_workflows: bool,
    /// `SIDEHOOK_WORKFLOWS`: what is run here of the executions that it has queued.
    pub workflows: Workflows,
    /// `SIDEHOOK_NOCOBASE_URL` and `SIDEHOOK_NOCOBASE_API_KEY`: how to have NocoBase do what only NocoBase
    /// can. Without its API base path, such as `http://app:80`; the key is made in NocoBase's settings.
    pub api: Option<Api>,
    /// `SIDEHOOK_DATA_WRITES`: with `api` the nodes create, update and destroy write through that API instead of
    /// into the database, so that NocoBase starts what hangs on its collections; `direct` is the default.
    pub writes_data: bool,
    /// `APP_PUBLIC_PATH`: what the addresses of NocoBase begin with, those of its files included; `/` unless set.
    pub public_path: String,
}

/// A way to NocoBase's HTTP API.
#[derive(Clone, Debug)]
pub struct Api {
    pub url: Url,
    pub key: Secret,
}

impl NocoBase {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mode = reader.text("WORKER_MODE");
        let is_odd = |c: char| !c.is_alphanumeric() && !":_-.,*! ".contains(c);
        if mode.as_ref().is_some_and(|mode| mode.contains(is_odd)) {
            reader.warn(
                "WORKER_MODE has characters that no name of a process has; NocoBase takes it literally",
            );
        }
        let has_url = reader.text("SIDEHOOK_NOCOBASE_URL").is_some();
        let url = reader.with("SIDEHOOK_NOCOBASE_URL", "a URL such as http://app:80", |text| {
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        });
        let key = reader.secret("SIDEHOOK_NOCOBASE_API_KEY");
        if has_url && key.is_none() {
            reader.fault(
                "SIDEHOOK_NOCOBASE_API_KEY",
                "an API key of NocoBase, as SIDEHOOK_NOCOBASE_URL is set",
            );
        }
        if key.is_some() && !has_url {
            reader.fault("SIDEHOOK_NOCOBASE_URL", "NocoBase's URL, as SIDEHOOK_NOCOBASE_API_KEY is set");
        }
        let writes_data = reader.with("SIDEHOOK_DATA_WRITES", "direct or api", |text| match text {
            "direct" => Some(false),
            "api" => Some(true),
            _ => None,
        });
        let writes_data = writes_data.unwrap_or_default();
        if writes_data && !has_url {
            reader.fault("SIDEHOOK_DATA_WRITES", "direct, as SIDEHOOK_NOCOBASE_URL is not set");
        }
        Self {
            workflows: Workflows::read(reader),
            writes_data,
            public_path: reader.text("APP_PUBLIC_PATH").unwrap_or_else(|| "/".to_owned()),
            runs_workflows: !matches!(mode.as_deref().map(str::trim), Some("!" | "-")),
            api: url.zip(key).map(|(url, key)| Api { url, key }),
        }
    }
}
