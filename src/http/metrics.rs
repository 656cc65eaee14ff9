//! What Prometheus asks for.

use std::sync::Arc;

use poem::web::Data;
use poem::{Response, handler};

use crate::app::App;
use crate::metrics::CONTENT_TYPE;

#[handler]
pub(crate) async fn metrics(Data(app): Data<&Arc<App>>) -> Response {
    Response::builder().content_type(CONTENT_TYPE).body(app.metrics_text().await)
}
