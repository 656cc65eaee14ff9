//! The HTTP client of request nodes: sends, follows redirects hop by hop with a check before each, and reads
//! the answer within its limits. Its texts and codes of errors are axios's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::{self, Instant};
use url::Url;

use super::answer::{self, Answer, Undecoded};
use super::cause;
use super::connect::{self, Connector, Resolve, SystemResolver};
use super::failure::Failure;
use super::guard::{Guard, Policy};
use super::headers::Headers;
use super::proxy::{self, Proxies};
use super::redirect::{Hop, Login, MAX_REDIRECTS};
use crate::expr::Value;
use crate::field;

/// Longer answers, in bytes, are parsed where nobody has to wait for it.
const SMALL_ANSWER: usize = 64 << 10;

/// What the client is told by the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub policy: Policy,
    /// The proxies that requests go through; none by default.
    pub proxies: Proxies,
    /// `SIDEHOOK_REQUEST_RESPONSE_LIMIT`: the longest body of a response in bytes, decompressed.
    pub response_limit: usize,
    /// `SIDEHOOK_REQUEST_TIME_LIMIT`: how long a request may take in all, redirects and the whole answer
    /// included. The timeouts of axios start anew with each part of a body.
    pub time_limit: Duration,
}

impl Settings {
    /// Without a guard and without proxies, which are for addresses that workflows name: for those of the operator.
    pub(crate) fn open(response_limit: usize, time_limit: Duration) -> Self {
        Self { policy: Policy::default(), proxies: Proxies::default(), response_limit, time_limit }
    }
}

/// Sends requests. Connections are kept for a while and shared by all executions.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    connector: Connector,
    response_limit: usize,
    time_limit: Duration,
}

/// How long to wait: until the headers have come, and between two parts of the body.
#[derive(Clone, Debug)]
pub struct Timeout {
    pub duration: Duration,
    /// As it was configured, for the text of the error.
    pub text: String,
}

/// How long a connection is kept unused: Node.js's 5 s less a margin, as servers close theirs about then.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const MAX_HEADERS: usize = 1000;

impl Client {
    pub fn new(
        settings: &Settings,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        Self::with_resolver(settings, certificates, Arc::new(SystemResolver))
    }

    /// Like [`Client::new`], with another way to look names up.
    pub fn with_resolver(
        settings: &Settings,
        certificates: Vec<CertificateDer<'static>>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, rustls::Error> {
        let connector = Connector {
            guard: Arc::new(Guard::new(&settings.policy)),
            proxies: Arc::new(settings.proxies.clone()),
            resolver,
            tls: connect::tls(certificates)?,
        };
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http1_title_case_headers(true)
            .http1_max_headers(MAX_HEADERS)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .build(connector.clone());
        let Settings { response_limit, time_limit, .. } = *settings;
        Ok(Self { http, connector, response_limit, time_limit })
    }

    /// Sends a request and follows where it is sent on to. A status outside of the 200s is a failure.
    pub async fn send(&self, hop: Hop, timeout: Option<&Timeout>) -> Result<Answer, Failure> {
        let limit = self.time_limit;
        let sent = time::timeout(limit, self.send_within(hop, timeout)).await;
        sent.unwrap_or_else(|_| Err(Failure::timed_out(&limit.as_millis().to_string())))
    }

    async fn send_within(&self, mut hop: Hop, timeout: Option<&Timeout>) -> Result<Answer, Failure> {
        let login = login(&hop.url);
        if let Some(login) = &login {
            hop.headers.remove(|name| name == "authorization");
            hop.headers.set("Authorization", login.value.as_str());
        }
        if let Some(timeout) = timeout.filter(|timeout| timeout.duration.is_zero()) {
            return Err(Failure::timed_out(&timeout.text));
        }
        let deadline = timeout.map(|timeout| Instant::now() + timeout.duration);
        let following = self.follow(&mut hop, login.as_ref());
        let response = match (deadline, timeout) {
            (Some(deadline), Some(timeout)) => time::timeout_at(deadline, following)
                .await
                .unwrap_or_else(|_| Err(Failure::timed_out(&timeout.text)))?,
            _ => following.await?,
        };
        settle(self.read(response, &hop.method, timeout).await?)
    }

    /// Posts a text with nothing but these headers.
    pub async fn post(
        &self,
        url: Url,
        headers: &[(&str, &str)],
        body: String,
        timeout: &Timeout,
    ) -> Result<Answer, Failure> {
        let mut own = Headers::default();
        headers.iter().for_each(|(name, value)| own.set(name, *value));
        let target = url[url::Position::BeforePath..].to_owned();
        let (method, body) = ("POST".to_owned(), Some(body.into()));
        self.send(Hop { url, target, method, headers: own, body }, Some(timeout)).await
    }

    /// The bytes of a file: an answer with the status 200 of at most `limit` bytes, whole within `time`. Redirects are
    /// not followed.
    pub async fn download(&self, url: &Url, limit: usize, time: Duration) -> Result<Vec<u8>, Failure> {
        let mut headers = Headers::default();
        headers.set("Accept", "*/*");
        let target = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let hop = Hop { url: url.clone(), target, method: "GET".to_owned(), headers, body: None };
        match self.send_once(&hop, limit, time).await? {
            (200, bytes) => Ok(bytes),
            (status, _) => Err(Failure::plain(format!("the answer has the status {status}"))),
        }
    }

    /// The bytes of a file of at most `limit` bytes, or the status of an answer other than 200. Redirects are followed.
    pub async fn fetch(
        &self,
        url: &Url,
        limit: usize,
        timeout: &Timeout,
    ) -> Result<Result<Vec<u8>, u16>, Failure> {
        let mut headers = Headers::default();
        headers.set("Accept", "*/*");
        let target = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let mut hop = Hop { url: url.clone(), target, method: "GET".to_owned(), headers, body: None };
        let fetching = async {
            let silent = || Failure::timed_out(&timeout.text);
            let following = time::timeout(timeout.duration, self.follow(&mut hop, None));
            let response = following.await.map_err(|_| silent())??;
            if response.status() != StatusCode::OK {
                return Ok(Err(response.status().as_u16()));
            }
            collect(response.into_body(), limit, Some(timeout)).await.map(Ok).map_err(|cut| match cut {
                Cut::TooLong => Failure::coded("EFBIG", format!("the file is longer than {limit} bytes")),
                Cut::Broken(failure) => failure,
                Cut::Aborted => Failure::coded("ERR_BAD_RESPONSE", "stream has been aborted"),
            })
        };
        let fetched = time::timeout(self.time_limit, fetching).await;
        fetched.unwrap_or_else(|_| Err(Failure::timed_out(&self.time_limit.as_millis().to_string())))
    }

    /// The status, one of the 200s, and the bytes of an answer of at most `limit` bytes, whole within `time`. Redirects
    /// are not followed: what is sent goes to nobody else.
    pub async fn send_once(
        &self,
        hop: &Hop,
        limit: usize,
        time: Duration,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let sending = async {
            self.check(&hop.url)?;
            let response = self.exchange(hop).await?;
            let status = response.status();
            if !status.is_success() {
                return Err(Failure::plain(format!("the answer has the status {}", status.as_u16())));
            }
            let bytes = collect(response.into_body(), limit, None).await.map_err(|cut| match cut {
                Cut::TooLong => Failure::plain(format!("the answer is longer than {limit} bytes")),
                Cut::Broken(failure) => failure,
                Cut::Aborted => Failure::plain("the answer broke off"),
            })?;
            Ok((status.as_u16(), bytes))
        };
        let sent = time::timeout(time, sending).await;
        sent.unwrap_or_else(|_| Err(Failure::timed_out(&time.as_millis().to_string())))
    }

    /// The response of the last hop, of which only the head has been read.
    async fn follow(&self, hop: &mut Hop, login: Option<&Login>) -> Result<Response<Incoming>, Failure> {
        self.check(&hop.url)?;
        let mut response = self.exchange(hop).await?;
        for count in 1.. {
            let status = response.status();
            let location = response.headers().get(LOCATION).filter(|location| !location.is_empty());
            let Some(location) = location.filter(|_| status.is_redirection()) else { break };
            if count > MAX_REDIRECTS {
                let message = "Maximum number of redirects exceeded";
                return Err(Failure::coded("ERR_FR_TOO_MANY_REDIRECTS", message));
            }
            let location = field::latin1(location.as_bytes());
            hop.follow(status.as_u16(), &location, login)
                .map_err(|failure| Failure::in_redirect(&failure))?;
            self.check(&hop.url).map_err(|failure| Failure::in_redirect(&failure))?;
            response = self.exchange(hop).await.map_err(|failure| match failure.code {
                // Only the guard's refusals have no code.
                None => Failure::in_redirect(&failure),
                Some(_) => failure,
            })?;
        }
        Ok(response)
    }

    fn check(&self, url: &Url) -> Result<(), Failure> {
        let host = url.host().ok_or_else(Failure::invalid_url)?;
        self.connector.guard.check_host(&host).map_err(Failure::plain)
    }

    async fn exchange(&self, hop: &Hop) -> Result<Response<Incoming>, Failure> {
        let host = hop.url.host_str().unwrap_or_default();
        let port = hop.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let uri = format!("{}://{host}{port}{}", hop.url.scheme(), hop.target);
        let uri: Uri = uri.parse().map_err(|_| Failure::invalid_url())?;
        let proxy = self.connector.proxies.of(&uri);
        if proxy.is_some() {
            self.connector.judge(&uri).await?;
        }
        // Through a tunnel the proxy sees nothing of the request.
        let proxy = proxy.filter(|_| hop.url.scheme() == "http");
        let mut request = Request::builder().method(hop.method.as_str()).uri(uri.clone());
        for (name, value) in hop.headers.iter() {
            let latin1: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
            request =
                request.header(name, HeaderValue::from_bytes(&latin1).map_err(|_| Failure::invalid_url())?);
        }
        let is_usually_empty =
            matches!(hop.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT");
        if hop.body.is_none() && !is_usually_empty {
            request = request.header(CONTENT_LENGTH, 0);
        }
        let body = Full::new(hop.body.clone().unwrap_or_default());
        let mut request = request.body(body).map_err(|_| Failure::invalid_url())?;
        if let Some(proxy) = proxy {
            proxy.address(request.headers_mut(), &uri);
        }
        let response = self.http.request(request).await.map_err(|err| failed(&err))?;
        match response.status() {
            status @ StatusCode::PROXY_AUTHENTICATION_REQUIRED if proxy.is_some() => {
                Err(proxy::refused(status))
            }
            _ => Ok(response),
        }
    }

    async fn read(
        &self,
        response: Response<Incoming>,
        method: &str,
        timeout: Option<&Timeout>,
    ) -> Result<Answer, Failure> {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let reason = head.extensions.get::<ReasonPhrase>().map(|reason| field::latin1(reason.as_bytes()));
        let status_text =
            reason.unwrap_or_else(|| head.status.canonical_reason().unwrap_or_default().to_owned());
        let has_body = method != "HEAD" && status != 204;
        let encoding = answer::encoding(&head.headers).filter(|_| has_body);
        let headers = answer::headers(&head.headers, has_body && encoding.is_none());
        let mut answer = Answer { status, status_text, headers, data: Value::Undefined };
        let bytes = match collect(body, self.response_limit, timeout).await {
            Ok(bytes) => bytes,
            Err(Cut::TooLong) => return Err(self.too_long()),
            Err(Cut::Broken(failure)) => return Err(failure),
            Err(Cut::Aborted) => {
                return Err(Failure::coded("ERR_BAD_RESPONSE", "stream has been aborted").with_answer(answer));
            }
        };
        let limit = self.response_limit;
        answer.data = match encoding {
            None if bytes.len() <= SMALL_ANSWER => answer::data(&bytes),
            None => tokio::task::spawn_blocking(move || answer::data(&bytes)).await.unwrap_or_default(),
            Some(encoding) => {
                let decoding =
                    move || answer::decode(encoding, &bytes, limit).map(|bytes| answer::data(&bytes));
                match tokio::task::spawn_blocking(decoding).await.unwrap_or(Err(Undecoded::Corrupt)) {
                    Ok(data) => data,
                    Err(Undecoded::TooLong) => return Err(self.too_long()),
                    Err(Undecoded::Corrupt) => {
                        return Err(
                            Failure::coded("Z_DATA_ERROR", "incorrect header check").with_answer(answer)
                        );
                    }
                }
            }
        };
        Ok(answer)
    }

    fn too_long(&self) -> Failure {
        let message = format!("maxContentLength size of {} exceeded", self.response_limit);
        Failure::coded("ERR_BAD_RESPONSE", message)
    }
}

/// Failed unless the status is in the 200s (`settle` of axios).
fn settle(answer: Answer) -> Result<Answer, Failure> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let code = if (400..500).contains(&answer.status) { "ERR_BAD_REQUEST" } else { "ERR_BAD_RESPONSE" };
    let message = format!("Request failed with status code {}", answer.status);
    Err(Failure::coded(code, message).with_answer(answer))
}

/// The certificates in a file (`NODE_EXTRA_CA_CERTS`) that servers may be signed with beside the known ones.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|err| err.to_string())
}

/// The credentials of a URL like `https://user:password@host/`.
fn login(url: &Url) -> Option<Login> {
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    if user.is_empty() && password.is_empty() {
        return None;
    }
    let decoded = |text: &str| {
        let bytes = percent_encoding::percent_decode_str(text);
        bytes.decode_utf8().map_or_else(|_| text.to_owned(), |text| text.into_owned())
    };
    let value = STANDARD.encode(format!("{}:{}", decoded(user), decoded(password)));
    Some(Login { origin: url.origin(), value: format!("Basic {value}") })
}

/// Why a body did not come whole.
enum Cut {
    TooLong,
    /// The connection was closed, or was silent for too long.
    Aborted,
    Broken(Failure),
}

async fn collect(mut body: Incoming, limit: usize, timeout: Option<&Timeout>) -> Result<Vec<u8>, Cut> {
    let mut bytes = Vec::new();
    loop {
        let frame = match timeout {
            Some(timeout) => time::timeout(timeout.duration, body.frame()).await.map_err(|_| Cut::Aborted)?,
            None => body.frame().await,
        };
        let Some(frame) = frame else { return Ok(bytes) };
        let frame = frame.map_err(|err| cause::broken(&err).map_or(Cut::Aborted, Cut::Broken))?;
        let Ok(part) = frame.into_data() else { continue };
        if bytes.len() + part.len() > limit {
            return Err(Cut::TooLong);
        }
        bytes.extend_from_slice(&part);
    }
}

/// Why no response has come.
fn failed(err: &legacy::Error) -> Failure {
    cause::broken(err).unwrap_or_else(Failure::hung_up)
}
