//! Whether sidehook lives and whether it can take events.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Response, handler};

use super::reply::refused;
use crate::app::App;
use crate::webhook::refusal::Refusal;

#[handler]
pub(crate) fn live() -> &'static str {
    "ok"
}

/// Also tells the version, which NocoBase's plugin shows.
#[handler]
pub(crate) fn ready(Data(app): Data<&Arc<App>>) -> Response {
    let (status, text) = match app.readiness() {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason.to_string()),
    };
    Response::builder().status(status).header("x-sidehook-version", env!("CARGO_PKG_VERSION")).body(text)
}

/// While the database is awaited.
#[handler]
pub(crate) fn starting() -> Response {
    refused(Refusal::unavailable())
}
