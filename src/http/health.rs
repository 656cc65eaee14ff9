//! Whether sidehook lives and whether it can take events.

use std::sync::Arc;
use std::time::Duration;

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Response, handler};

use crate::app::App;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[handler]
pub fn live() -> &'static str {
    "ok"
}

/// Also tells the version, which NocoBase's plugin shows.
#[handler]
pub async fn ready(Data(app): Data<&Arc<App>>) -> Response {
    let (status, text) = match tokio::time::timeout(PATIENCE, app.store.db.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ok"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer"),
    };
    Response::builder().status(status).header("x-sidehook-version", env!("CARGO_PKG_VERSION")).body(text)
}
