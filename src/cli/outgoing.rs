//! Requests that a command sends to a server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use url::Url;

use crate::expr::{Value, json};
use crate::http::{Sent, Told};
use crate::outbound::{Answer, Client, Failure, Headers, Hop, Settings, certificates};

/// So much of an answer is read, in bytes.
const ANSWER: usize = 16 << 20;
/// Longer than any caller is kept.
const PATIENCE: Duration = Duration::from_secs(900);

/// The way to a server.
pub(super) struct Outgoing {
    client: Client,
    /// Where paths are put behind.
    base: Url,
}

/// A URL of a server.
pub(super) fn base(text: &str) -> anyhow::Result<Url> {
    let url: Url =
        text.parse().context("a server is written like https://hooks.example or http://127.0.0.1:13080")?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        bail!("a server is written like https://hooks.example or http://127.0.0.1:13080");
    }
    Ok(url)
}

/// `NAME: VALUE`, the name in lower case.
pub(super) fn header(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once(':').context("a header is written like 'x-api-key: 123'")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

impl Outgoing {
    /// `extra` is a file of certificates to trust beside the well-known ones.
    pub(super) fn new(extra: Option<&Path>, base: Url) -> anyhow::Result<Self> {
        let extra = extra.map(certificates).transpose();
        let extra =
            extra.map_err(|reason| anyhow::anyhow!("NODE_EXTRA_CA_CERTS cannot be read: {reason}"))?;
        // The guard is for addresses that workflows name; this one is named by who has called the command.
        let settings = Settings::open(ANSWER, PATIENCE);
        Ok(Self { client: Client::new(&settings, extra.unwrap_or_default()).context("TLS")?, base })
    }

    /// Sends a request behind the base; an error says why there is no answer.
    pub(super) async fn send(&self, sent: Sent) -> Result<Told, String> {
        let url = format!("{}{}", self.base.as_str().trim_end_matches('/'), sent.target);
        let url: Url = url.parse().map_err(|err| format!("its URL cannot be used: {err}"))?;
        let mut headers = Headers::default();
        for (name, value) in &sent.headers {
            // A name is sent once; what was repeated means the same as a list.
            let before = headers.get(name).map(|before| format!("{before}, ")).unwrap_or_default();
            headers.set(name, format!("{before}{value}"));
        }
        headers.set_default("user-agent", concat!("sidehook/", env!("CARGO_PKG_VERSION")));
        let target = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let has_body = !sent.body.is_empty() || sent.method == "POST";
        let body = has_body.then(|| sent.body.into());
        match self.client.send(Hop { url, target, method: sent.method, headers, body }, None).await {
            Ok(answer) => Ok(told(&answer)),
            Err(Failure { answer: Some(answer), .. }) => Ok(told(&answer)),
            Err(failure) => Err(failure.message),
        }
    }
}

fn told(answer: &Answer) -> Told {
    let duplicate_of = answer.headers.member("x-sidehook-duplicate");
    let text = match &answer.data {
        Value::Text(text) => text.to_string(),
        data => json::stringify(data).unwrap_or_default(),
    };
    Told { status: answer.status, duplicate_of: duplicate_of.as_str().map(str::to_owned), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        assert_eq!(header("X-Key: a:b ").ok(), Some(("x-key".to_owned(), "a:b".to_owned())));
        assert!(header("x-key").is_err());
    }

    #[test]
    fn a_server_is_a_url_of_http() {
        assert!(base("https://hooks.example").is_ok() && base("http://127.0.0.1:1/x").is_ok());
        for odd in ["hooks.example", "ftp://h", "http://", "file:///x"] {
            assert!(base(odd).is_err(), "{odd}");
        }
    }
}
