//! A request on its way into the request log: what is noted of it while it is handled, and whose row it becomes: that
//! of an execution's transaction, or one of its own where there is no execution.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use entity::request;
use futures_util::StreamExt;
use poem::Body;

use crate::app::{App, Called, Hook};
use crate::engine::{Ended, Kept, Request, RequestState, is_failure};
use crate::expr::Value;
use crate::metrics::Outcome;
use crate::trace::{Cause, Span};
use crate::webhook::body::qs;
use crate::webhook::head::Head;
use crate::webhook::logged::{Level, Received, Secrets, masked, plain};
use crate::webhook::memory::Share;
use crate::webhook::refusal::Refusal;

/// What nginx logs of a sender who has hung up; nobody is told.
const HUNG_UP: u16 = 499;

/// What is noted of a request.
pub(super) struct Noted<'a> {
    app: &'a App,
    head: Arc<Head>,
    peer: Option<IpAddr>,
    /// In milliseconds since 1970.
    received_at: i64,
    level: Level,
    hook: Option<Arc<Hook>>,
    /// Of a custom path, an object.
    params: Value,
    body: Received,
    /// The memory of what is kept of the body.
    share: Option<Share>,
    delivery_id: Option<String>,
    duplicate_of: Option<i64>,
    reason: Option<String>,
    /// What the engine was given.
    request: Option<Arc<Request>>,
    is_admitted: Arc<AtomicBool>,
    /// Whether nothing has to be logged here any more.
    is_settled: bool,
    begun: Instant,
    span: Span,
    outcome: Outcome,
    is_counted: bool,
}

impl<'a> Noted<'a> {
    pub(super) fn new(app: &'a App, head: Arc<Head>, peer: Option<IpAddr>, share: Share) -> Self {
        let span = app.process.tracer.request(&head.method, head.header("traceparent"));
        Self {
            app,
            head,
            peer,
            received_at: app.engine.ids().now().timestamp_millis(),
            level: app.config.request_log.level,
            hook: None,
            params: Value::Undefined,
            body: Received::default(),
            share: Some(share),
            delivery_id: None,
            duplicate_of: None,
            reason: None,
            request: None,
            is_admitted: Arc::default(),
            is_settled: false,
            begun: Instant::now(),
            span,
            outcome: Outcome::Event,
            is_counted: false,
        }
    }

    /// The webhook that it is for.
    pub(super) fn found(&mut self, called: &Called) {
        self.level = called.hook.trigger.log.unwrap_or(self.level);
        if self.app.listening.is_for(&called.hook.workflow.key, self.received_at) {
            self.level = Level::Bodies;
        }
        if self.span.is_open() {
            self.span.found(&called.hook.workflow.key, &self.route(&called.hook));
        }
        self.hook = Some(called.hook.clone());
        self.params = called.params.clone();
    }

    /// What is done for it is done because of this.
    pub(super) fn cause(&self) -> Cause {
        self.span.cause()
    }

    /// The form of its URL: names stand for what differs from request to request.
    fn route(&self, hook: &Hook) -> String {
        let api = &self.app.config.http.api_base_path;
        let below = self.head.path.strip_prefix(api.as_str()).unwrap_or_default();
        match &hook.trigger.path {
            _ if below.starts_with("webhook:trigger") => format!("{api}webhook:trigger/{{key}}"),
            _ if below.starts_with("webhooks/") => format!("{api}webhooks/{{key}}"),
            Some(Ok(pattern)) => pattern.to_string(),
            _ => String::new(),
        }
    }

    /// Keeps the body of a request that nobody has the URL of, where somebody waits for it.
    pub(super) async fn unfound(&mut self, body: Body, refusal: Refusal) -> Refusal {
        let filter_by = || {
            let query = qs::parse_query(&self.head.query);
            query.member("filterByTk").as_str().map(ToString::to_string)
        };
        if !self.app.listening.is_at(&self.head.path, filter_by, self.received_at) {
            return refusal;
        }
        self.level = Level::Bodies;
        let mut chunks = body.into_bytes_stream();
        // What comes after that would not be kept.
        while self.body.size() <= self.app.config.request_log.body
            && let Some(Ok(chunk)) = chunks.next().await
        {
            self.receive(&chunk);
        }
        refusal
    }

    /// To be set when every check has let it in.
    pub(super) fn admission(&self) -> Arc<AtomicBool> {
        self.is_admitted.clone()
    }

    /// A part of its body.
    pub(super) fn receive(&mut self, part: &[u8]) {
        if self.level == Level::Off {
            return;
        }
        let room = self.app.config.request_log.body.saturating_sub(self.body.kept()).min(part.len());
        let has_memory = self.share.as_ref().is_some_and(|share| share.grow(room).is_ok());
        self.body.take(part, if has_memory { room } else { 0 });
    }

    /// By what deliveries of the same event are known.
    pub(super) fn delivered(&mut self, id: Option<&str>) {
        self.delivery_id = id.map(plain);
    }

    /// Why there is no execution.
    pub(super) fn because(&mut self, reason: &str) {
        self.outcome = Outcome::Answered;
        self.reason = Some(reason.to_owned());
    }

    /// Why it is refused.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.outcome = Outcome::Refused;
        self.reason = Some(match &refusal.reason {
            Some(reason) => format!("{} ({reason})", refusal.message),
            None => refusal.message.clone(),
        });
    }

    /// What goes with its event, which the engine is about to take: from now on it is the engine's to log. `status` is
    /// that of the answer where it is known before the event is recorded; `status_of` tells it at the end of the run.
    pub(super) fn event(
        &mut self,
        status: Option<u16>,
        status_of: fn(&Ended) -> u16,
    ) -> Option<Arc<Request>> {
        self.is_settled = true;
        let has_failed = status.is_some_and(|status| status >= 400);
        let only_failed = status.is_none() && !self.level.keeps(false);
        if self.level == Level::Off || !(only_failed || self.level.keeps(has_failed)) {
            return None;
        }
        let mut row = self.row()?;
        row.status = status.map(i32::from);
        row.duration_ms = status.map(|_| self.duration());
        let is_body_kept = self.level.keeps_body(has_failed);
        // Where the answer is known already, nothing of the body is needed later.
        let body = if is_body_kept || status.is_none() { self.kept() } else { None };
        let (of_row, of_failure) = if is_body_kept { (body, None) } else { (None, body) };
        put(&mut row, of_row);
        let request = Arc::new(Request {
            row,
            body: of_failure,
            only_failed,
            status_of,
            hold: self.share.take().map(|share| Box::new(share) as Box<_>),
            state: RequestState::default(),
        });
        self.request = Some(request.clone());
        Some(request)
    }

    /// The engine could not take the event, or the request is another delivery of one that it has.
    pub(super) fn not_taken(&mut self, duplicate_of: Option<i64>) {
        (self.is_settled, self.duplicate_of) = (false, duplicate_of);
        if duplicate_of.is_some() {
            self.outcome = Outcome::Duplicate;
        }
    }

    /// The end of the run for whose caller this is, in case that the engine could not tell it with its records: the run
    /// went on elsewhere.
    pub(super) fn ended(&mut self, execution_id: i64, ended: &Ended) {
        let Some(request) = self.request.take_if(|request| !request.is_whole()) else { return };
        let answered = request.end(ended, true, self.app.engine.ids().now());
        if request.has_begun() {
            self.app.requests.answered(answered);
        } else if !request.only_failed || is_failure(ended.status, answered.status) {
            self.app.requests.add(request.whole(execution_id, answered));
        }
    }

    /// The status that was answered.
    pub(super) fn answered(&mut self, status: u16) {
        self.count(status);
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let has_failed = status >= 400;
        if !self.level.keeps(has_failed) {
            return;
        }
        let (given, kept) = match self.request.take() {
            Some(request) => (Some(request.row.clone()), request.body.clone()),
            None => (self.row(), self.kept()),
        };
        // Without a sign of life of this instance there are no ids; the database is away then.
        let Some(mut row) = given.filter(|row| row.id != 0) else { return };
        if self.level.keeps_body(has_failed) && row.body.is_none() {
            put(&mut row, kept);
        }
        row.status = Some(status.into());
        row.duration_ms = Some(self.duration());
        row.reason = self.reason.as_deref().map(plain);
        row.duplicate_of = self.duplicate_of;
        self.app.requests.add(row);
    }

    fn count(&mut self, status: u16) {
        if !std::mem::replace(&mut self.is_counted, true) {
            let workflow = self.hook.as_ref().map(|hook| &*hook.workflow.key);
            self.span.answered(status);
            self.app.metrics.request_answered(self.outcome, status, workflow, self.begun.elapsed());
        }
    }

    fn duration(&self) -> i64 {
        (self.app.engine.ids().now().timestamp_millis() - self.received_at).max(0)
    }

    fn kept(&self) -> Option<Kept> {
        self.body.text().map(|(text, encoding)| Kept { text, encoding })
    }

    /// What is known before the answer, without the body.
    fn row(&self) -> Option<request::Model> {
        let known = self.hook.as_ref().filter(|hook| hook.trigger.faults().next().is_none());
        let secrets = known
            .map_or(Secrets::Unknown, |hook| Secrets::At(hook.trigger.admission.credentials().collect()));
        let masked = masked(&self.head, &secrets, &self.params);
        let workflow = self.hook.as_ref().map(|hook| &hook.workflow);
        let id = match self.app.engine.ids().job_id() {
            Ok(id) => id,
            // An event that goes into the queue gets one when it comes out.
            Err(_) if self.app.front.is_some() => 0,
            Err(_) => return None,
        };
        Some(request::Model {
            id,
            received_at: self.received_at,
            workflow_key: workflow.map(|workflow| workflow.key.clone()),
            workflow_id: workflow.map(|workflow| workflow.id),
            method: plain(&self.head.method),
            path: masked.path,
            query: masked.query,
            headers: masked.headers,
            content_type: self.head.header("content-type").map(plain),
            body_size: i64::try_from(self.body.size()).unwrap_or(i64::MAX),
            body_sha256: self.body.sha256(),
            peer: self.peer.map(|peer| peer.to_string()),
            is_admitted: self.is_admitted.load(Ordering::Relaxed),
            delivery_id: self.delivery_id.clone(),
            instance: self.app.engine.owner().number,
            ..request::Model::default()
        })
    }
}

/// A sender who hangs up ends the handling of its request wherever that is.
impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if !self.is_counted {
            self.outcome = Outcome::HungUp;
            self.count(HUNG_UP);
        }
        if !self.is_settled {
            self.because("The sender has hung up.");
            self.answered(HUNG_UP);
        }
    }
}

fn put(row: &mut request::Model, body: Option<Kept>) {
    let (text, encoding) = body.map(|kept| (kept.text, kept.encoding.to_owned())).unzip();
    (row.body, row.body_encoding) = (text, encoding);
}
