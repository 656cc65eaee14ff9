//! NocoBase's own HTTP API, for what only NocoBase can do.

use std::time::Duration;

use url::Url;

use super::answer::Answer;
use super::client::{Client, Timeout};
use super::failure::Failure;
use crate::expr::{Value, json};

/// How long NocoBase may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A NocoBase with a key to its API.
#[derive(Clone)]
pub struct NocoBase {
    client: Client,
    /// Ends with a slash, such as `http://app:80/api/`.
    api: Url,
    key: String,
}

/// What came of a call that did not do what it was to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    pub message: String,
    /// The body of the answer.
    pub data: Value,
}

impl NocoBase {
    /// `client` is one that may reach NocoBase; `url` is NocoBase's without the path of its API.
    pub fn new(client: Client, url: &Url, api_base_path: &str, key: String) -> Self {
        let mut api = url.clone();
        api.set_path(&format!("{}{api_base_path}", url.path().trim_end_matches('/')));
        Self { client, api, key }
    }

    /// Calls an action such as `executions:rerun` and returns the body of the answer.
    pub async fn call(&self, action: &str, query: &[(&str, &str)], body: &Value) -> Result<Value, ApiError> {
        self.call_in("main", action, query, body).await
    }

    /// The same for a collection of a data source.
    pub async fn call_in(
        &self,
        data_source: &str,
        action: &str,
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value, ApiError> {
        let mut url = self.api.clone();
        url.set_path(&format!("{}{action}", self.api.path()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let headers = [
            ("Accept", "application/json"),
            ("Authorization", &format!("Bearer {}", self.key)),
            ("Content-Type", "application/json"),
            // NocoBase words its messages for it.
            ("X-Locale", "en-US"),
            ("X-Data-Source", data_source),
        ];
        let timeout = Timeout { duration: TIMEOUT, text: TIMEOUT.as_millis().to_string() };
        let answer = self.client.post(url, &headers, json::stringify_or_null(body), &timeout).await;
        answer.map(|answer| answer.data).map_err(ApiError::from)
    }

    /// Has NocoBase run a node of an execution, with all that comes after it. A pending job of the node has to
    /// be there. NocoBase answers before it begins.
    pub async fn rerun(&self, execution_id: i64, node_id: i64) -> Result<(), String> {
        let body =
            Value::object([("nodeId", Value::from(node_id.to_string())), ("overwrite", Value::Bool(true))]);
        let id = execution_id.to_string();
        let answered = self.call("executions:rerun", &[("filterByTk", &id)], &body).await;
        answered.map(drop).map_err(|err| err.message)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let Failure { message, answer, .. } = failure;
        let Some(answer) = answer else { return Self { status: None, message, data: Value::Undefined } };
        let Answer { status, data, .. } = *answer;
        let errors = data.member("errors");
        let said = errors.as_array().and_then(|errors| Some(errors.items().first()?.member("message")));
        let message = said.and_then(|said| said.as_str().map(str::to_owned)).unwrap_or(message);
        Self { status: Some(status), message, data }
    }
}
