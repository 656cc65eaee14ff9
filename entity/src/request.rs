//! A request that a sender has sent, and what became of it (`sidehook_requests`).

use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};

/// Credentials and signatures are never part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromQueryResult, Serialize, Deserialize)]
pub struct Model {
    /// In the layout of job ids: it sorts by time, and no two instances give out the same.
    pub id: i64,
    /// When the head of the request had arrived, in milliseconds since 1970.
    pub received_at: i64,
    /// The workflow that it was for; none where nobody has the URL.
    pub workflow_key: Option<String>,
    /// The version of that workflow.
    pub workflow_id: Option<i64>,
    pub method: String,
    /// As it was sent, still encoded.
    pub path: String,
    /// Without `?`, still encoded.
    pub query: String,
    /// JSON: a list of `[name, value]`, names in lower case.
    pub headers: String,
    pub content_type: Option<String>,
    /// The body, or its beginning; none where it is not kept.
    pub body: Option<String>,
    /// How `body` is written: `utf-8` or `base64`.
    pub body_encoding: Option<String>,
    /// Of all that has arrived of the body, in bytes.
    pub body_size: i64,
    /// SHA-256 of the same in hexadecimal digits; none where there was no body.
    pub body_sha256: Option<String>,
    /// Who has called: an address.
    pub peer: Option<String>,
    /// From `received_at` until the answer was known.
    pub duration_ms: Option<i64>,
    /// Of the answer; none while it is not known.
    pub status: Option<i32>,
    /// Whether its webhook has let it in: who sent it has shown all that was asked for.
    pub is_admitted: bool,
    /// Why it was refused, or why there is no execution.
    pub reason: Option<String>,
    pub execution_id: Option<i64>,
    /// By what deliveries of the same event are known.
    pub delivery_id: Option<String>,
    /// The execution of an earlier delivery.
    pub duplicate_of: Option<i64>,
    /// The number of the instance that has answered.
    pub instance: i32,
}
