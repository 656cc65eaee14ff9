//! `sidehook send`: sends a test event to a running server, signed as its sender would.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use url::Url;

use super::outgoing::{Outgoing, base, header};
use super::reachable::reachable;
use super::{Settings, output};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::expr::{Object, Value, json};
use crate::http::Sent;
use crate::webhook::admission::signature::sign::{Trial, sign};
use crate::webhook::head::Head;

/// Sends an event to a webhook of a running server, and prints the answer.
#[derive(Args)]
#[command(after_help = "\
Schemes are those of sidehook.signature whose senders share a secret: github, gitlab, stripe, slack, shopify, svix and
others; one that is not known is told with a list. A secret may be {{$env.NAME}}, a variable of the environment or of
--env-file: then it is not seen among the processes.

Examples:
  sidehook send orders --data '{\"id\":1}'
  sidehook send orders --file body.json --scheme github --secret '{{$env.SECRET}}' --env-file .env
  sidehook send /orders/shop --file body.json --header x-api-key:123 --to https://hooks.example
  sidehook send orders --signature '{\"scheme\":\"hmac\",\"header\":\"x-sign\",\"secret\":\"s\"}'")]
pub(super) struct Send {
    /// The key of a workflow, or a path that begins with a slash, with a query or without one
    #[arg(value_name = "KEY|PATH")]
    target: String,
    /// The body; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    file: Option<PathBuf>,
    /// The body as a text [default: {}]
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// The type of the body
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    content_type: String,
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    method: String,
    /// A header to send
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// Who it is signed as
    #[arg(long, value_name = "SCHEME", requires = "secret", conflicts_with = "signature")]
    scheme: Option<String>,
    /// What sender and webhook share
    #[arg(long, value_name = "SECRET", requires = "scheme")]
    secret: Option<String>,
    /// How it is signed, as sidehook.signature says it
    #[arg(long, value_name = "JSON")]
    signature: Option<String>,
    /// The server [default: that on this machine, at the port that `serve` listens on]
    #[arg(long, value_name = "URL", value_parser = base)]
    to: Option<Url>,
    /// The file of settings that `serve` was given [default: sidehook.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The files of environment variables that `serve` was given
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
}

impl Send {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (file, env_file) = (self.config.clone(), self.env_file.clone());
        let sources = Settings { config: file, env_file, ..Settings::default() }.sources()?;
        let http = config::http(&sources)?;
        let to = match &self.to {
            Some(to) => to.clone(),
            None => base(&format!("http://{}", reachable(http.listen)))?,
        };
        let target = match self.target.starts_with('/') {
            true => self.target.clone(),
            false => format!("{}webhooks/{}", http.api_base_path, self.target),
        };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut head = Head {
            method: self.method.clone(),
            path: path.to_owned(),
            headers: self.header.clone(),
            query: query.to_owned(),
        };
        if head.header("content-type").is_none() {
            head.headers.push(("content-type".to_owned(), self.content_type.clone()));
        }
        let body = self.body()?;
        if let Some(how) = self.how()? {
            let url = format!("{}{path}", to.as_str().trim_end_matches('/'));
            let id = uuid::Uuid::new_v4().to_string();
            let env: Object =
                sources.environment.iter().map(|(name, text)| (&**name, Value::from(text.clone()))).collect();
            let url = how.member("url").as_str().map_or(url, str::to_owned);
            let trial = Trial { now: SystemClock.now().timestamp_millis(), id: &id, url: &url };
            sign(&how, &env, &mut head, &body, trial)
                .map_err(|reason| anyhow!("it is not signed: {reason}"))?;
        }
        let certificates = sources.environment.get("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty());
        let outgoing = Outgoing::new(certificates.map(Path::new), to)?;
        let sent = Sent { method: head.method, target, headers: head.headers, body };
        let told = outgoing.send(sent).await.map_err(|reason| anyhow!("there is no answer: {reason}"))?;
        output::line(format!("{}{}", told.status, duplicate(told.duplicate_of.as_deref())))?;
        told.text.lines().try_for_each(|line| output::line(output::printable(line)))?;
        ensure!(told.status < 400, "the event was not taken");
        Ok(())
    }

    fn body(&self) -> anyhow::Result<Vec<u8>> {
        match &self.file {
            Some(path) if path.as_os_str() == "-" => {
                let mut body = Vec::new();
                std::io::stdin().read_to_end(&mut body).context("standard input cannot be read")?;
                Ok(body)
            }
            Some(path) => std::fs::read(path).with_context(|| format!("{} cannot be read", path.display())),
            None if self.method == "GET" => Ok(Vec::new()),
            None => Ok(self.data.clone().unwrap_or_else(|| "{}".to_owned()).into_bytes()),
        }
    }

    /// The configuration by which it is signed.
    fn how(&self) -> anyhow::Result<Option<Value>> {
        if let Some(text) = &self.signature {
            return json::parse(text.as_bytes()).map(Some).map_err(|_| anyhow!("--signature is not JSON"));
        }
        let (Some(scheme), Some(secret)) = (&self.scheme, &self.secret) else { return Ok(None) };
        let member = |text: &String| Value::from(text.clone());
        Ok(Some(Value::object([("scheme", member(scheme)), ("secret", member(secret))])))
    }
}

fn duplicate(first: Option<&str>) -> String {
    first.map(|first| format!(" (a duplicate of execution {})", output::printable(first))).unwrap_or_default()
}
