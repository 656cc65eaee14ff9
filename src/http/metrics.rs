//! What Prometheus asks for.

use std::sync::Arc;

use poem::web::Data;
use poem::{Response, handler};

use crate::apps::Apps;
use crate::metrics::CONTENT_TYPE;

#[handler]
pub(crate) async fn metrics(Data(apps): Data<&Arc<Apps>>) -> Response {
    Response::builder().content_type(CONTENT_TYPE).body(apps.metrics_text().await)
}
