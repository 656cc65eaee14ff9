//! Files of object storages (`getFileStream` of the file manager's `storages/index.ts`): by their public address, as
//! NocoBase gets them; where that gives nothing out, by a signed one. S3, OSS and COS all take S3's signatures.

use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use crate::collection::Storage;
use crate::expr::Value;
use crate::expr::convert::to_text;
use crate::outbound::{Bucket, Client, Failure, Timeout};

/// How long the server may be silent, as NocoBase has it.
const SILENCE: Duration = Duration::from_secs(30);

/// The types of storages whose files can be had here.
pub(super) const TYPES: [&str; 3] = ["s3", "ali-oss", "tx-cos"];

/// A file of such a storage.
pub(super) struct Remote<'a> {
    pub storage: &'a Storage,
    /// Its address, where the storage has a base URL.
    pub address: Option<&'a str>,
    /// Its path within the bucket.
    pub key: &'a str,
}

impl Remote<'_> {
    /// The bytes of the file, unless there are more than `limit`.
    pub(super) async fn read(
        &self,
        client: &Client,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<u8>, Failure> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let timeout = Timeout { duration: SILENCE, text: SILENCE.as_millis().to_string() };
        let get = async |url: &Url| {
            client.fetch(url, limit, &timeout).await.map_err(|failure| self.failed(failure))
        };
        let bucket = bucket(self.storage);
        if let Some(address) = self.address {
            let url = Url::parse(address).map_err(|_| Failure::invalid_url())?;
            match get(&url).await? {
                Ok(bytes) => return Ok(bytes),
                // It is not given to everybody.
                Err(401 | 403) if bucket.is_ok() => {}
                Err(status) => return Err(status_failure(status, "")),
            }
        }
        let bucket = bucket.map_err(|reason| {
            Failure::plain(format!("the storage {} has no base URL, and {reason}", self.storage.id))
        })?;
        let url = bucket.signed(self.key, now).ok_or_else(Failure::invalid_url)?;
        match get(&url).await? {
            Ok(bytes) => Ok(bytes),
            Err(status @ (400 | 401 | 403)) => Err(status_failure(
                status,
                "; check the keys and the region of the storage, and what they may read",
            )),
            Err(status) => Err(status_failure(status, "")),
        }
    }

    fn failed(&self, failure: Failure) -> Failure {
        let message = match failure.code.as_deref() {
            Some("EFBIG") => format!("The file '{}' is too long to be sent", self.key),
            _ => format!("fetch file failed: {}", failure.message),
        };
        Failure { message, ..failure }
    }
}

fn status_failure(status: u16, hint: &str) -> Failure {
    let code = if (400..500).contains(&status) { "ERR_BAD_REQUEST" } else { "ERR_BAD_RESPONSE" };
    let message = format!("fetch file failed: AxiosError: Request failed with status code {status}{hint}");
    Failure::coded(code, message)
}

/// The bucket of a storage, from the options under the names that each kind has; the error says which is missing.
fn bucket(storage: &Storage) -> Result<Bucket, String> {
    let text = |names: &[&str]| {
        let values = names.iter().map(|name| storage.options.member(name));
        values.filter(Value::is_truthy).find_map(|value| to_text(&value).ok())
    };
    let needed = |names: &[&str]| text(names).ok_or_else(|| format!("its options have no {}", names[0]));
    let (key_id, secret, name) = match storage.type_name.as_str() {
        "ali-oss" => (needed(&["accessKeyId"])?, needed(&["accessKeySecret"])?, needed(&["bucket"])?),
        "tx-cos" => (needed(&["SecretId"])?, needed(&["SecretKey"])?, needed(&["Bucket"])?),
        _ => (needed(&["accessKeyId"])?, needed(&["secretAccessKey"])?, needed(&["bucket"])?),
    };
    let region = text(&["region", "Region"]);
    let base = base(storage, &name, region.as_deref())?;
    Ok(Bucket {
        base,
        // Servers other than Amazon's have mostly none.
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        key_id,
        secret,
        session_token: text(&["sessionToken", "stsToken", "SecurityToken", "XCosSecurityToken"]),
    })
}

/// The URL of a bucket.
fn base(storage: &Storage, name: &str, region: Option<&str>) -> Result<Url, String> {
    let is = |option: &str| storage.options.member(option).is_truthy();
    let endpoint = storage.options.member("endpoint");
    let endpoint = endpoint.as_str().map(str::trim).filter(|text| !text.is_empty());
    let region = region.ok_or("its options have no region");
    let is_s3 = storage.type_name == "s3";
    let (server, names_in_path) = match (storage.type_name.as_str(), endpoint) {
        // NocoBase has S3's own endpoints take the name in the path whenever one is given.
        ("s3", Some(endpoint)) => (endpoint.to_owned(), true),
        ("s3", None) => (format!("s3.{}.amazonaws.com", region?), is("forcePathStyle")),
        ("tx-cos", _) => (format!("cos.{}.myqcloud.com", region?), is("ForcePathStyle")),
        (_, Some(endpoint)) => (endpoint.to_owned(), false),
        (_, None) => {
            let place = if is("internal") { "-internal" } else { "" };
            (format!("s3.{}{place}.aliyuncs.com", region?), false)
        }
    };
    let server = if server.contains("://") { server } else { format!("https://{server}") };
    let unusable = || "its endpoint is no URL".to_owned();
    let mut base = Url::parse(&server).map_err(|_| unusable())?;
    if names_in_path {
        let path = format!("{}/{name}", base.path().trim_end_matches('/'));
        base.set_path(&path);
    } else if is_s3 || !is("cname") {
        let host = format!("{name}.{}", base.host_str().ok_or_else(unusable)?);
        base.set_host(Some(&host)).map_err(|_| unusable())?;
    }
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn storage(type_name: &str, options: &str) -> Storage {
        let options = json::parse(options.as_bytes()).expect("JSON");
        Storage { id: 7, type_name: type_name.into(), base_url: None, options }
    }

    #[test]
    fn buckets_have_the_addresses_of_their_kinds() {
        let s3 = r#""accessKeyId":"a","secretAccessKey":"s","bucket":"b""#;
        let oss = r#""accessKeyId":"a","accessKeySecret":"s","bucket":"b","region":"oss-cn-hangzhou""#;
        let cos = r#""SecretId":"a","SecretKey":"s","Bucket":"b-125","Region":"ap-guangzhou""#;
        let cases = [
            ("s3", format!(r#"{{{s3},"region":"eu-west-1"}}"#), "https://b.s3.eu-west-1.amazonaws.com/"),
            ("s3", format!(r#"{{{s3},"endpoint":"http://minio:9000"}}"#), "http://minio:9000/b"),
            ("s3", format!(r#"{{{s3},"endpoint":"minio.example/s3/"}}"#), "https://minio.example/s3/b"),
            ("ali-oss", format!("{{{oss}}}"), "https://b.s3.oss-cn-hangzhou.aliyuncs.com/"),
            (
                "ali-oss",
                format!(r#"{{{oss},"internal":true}}"#),
                "https://b.s3.oss-cn-hangzhou-internal.aliyuncs.com/",
            ),
            (
                "ali-oss",
                format!(r#"{{{oss},"endpoint":"https://files.example","cname":true}}"#),
                "https://files.example/",
            ),
            ("tx-cos", format!("{{{cos}}}"), "https://b-125.cos.ap-guangzhou.myqcloud.com/"),
        ];
        for (type_name, options, expected) in cases {
            let found = bucket(&storage(type_name, &options)).map(|bucket| bucket.base.to_string());
            assert_eq!(found.as_deref(), Ok(expected), "{type_name} {options}");
        }
        let missing =
            |type_name: &str, options: &str| bucket(&storage(type_name, options)).err().unwrap_or_default();
        assert!(missing("s3", "{}").contains("accessKeyId"));
        assert!(missing("s3", &format!("{{{s3}}}")).contains("region"));
        assert!(missing("tx-cos", "{}").contains("SecretId"));
    }
}
