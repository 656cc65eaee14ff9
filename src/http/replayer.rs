//! Recorded requests on the way of any other request, without a connection: through the routes, the checks that still
//! mean something, the run and the answer.

use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderName, HeaderValue, Method, Uri};
use poem::{Body, Endpoint, EndpointExt, Request, Response};

use super::replay::{Replay, Sent, Told};
use super::routes;
use crate::app::App;
use crate::field;

/// So much of an answer is told, in bytes.
const TOLD: usize = 64 << 10;

/// Handles recorded requests.
pub struct Replayer {
    routes: BoxEndpoint<'static, Response>,
}

impl Replayer {
    /// For applications that are configured like this one.
    pub fn new(app: &App) -> Self {
        Self { routes: routes::chosen(app, None).around(routes::answer).boxed() }
    }

    /// Handles one of an application; an error says why it is no request.
    pub async fn send(&self, app: &Arc<App>, sent: Sent, replay: Replay) -> Result<Told, String> {
        let uri: Uri = sent.target.parse().map_err(|err| format!("its URL cannot be used: {err}"))?;
        let method: Method =
            sent.method.parse().map_err(|err| format!("its method cannot be used: {err}"))?;
        let mut request = Request::builder().method(method).uri(uri).body(Body::from(sent.body));
        for (name, value) in &sent.headers {
            let value = field::bytes(value).and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
            let (Ok(name), Some(value)) = (HeaderName::try_from(name), value) else {
                return Err(format!("its header {name} cannot be used"));
            };
            request.headers_mut().append(name, value);
        }
        request.set_data(replay);
        request.set_data(app.clone());
        let response = self.routes.get_response(request).await;
        let duplicate_of = response.header("x-sidehook-duplicate").map(str::to_owned);
        let status = response.status().as_u16();
        let bytes = response.into_body().into_bytes_limit(TOLD).await.unwrap_or_default();
        Ok(Told { status, duplicate_of, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}
