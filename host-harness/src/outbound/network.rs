//! Outbound calls over the network: pooled connections, HTTP/1.1 and HTTP/2, TLS.

mod again;
mod response;
mod trailers;

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, vec};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower_service::Service;

use super::permitted::Addresses;
use super::policy::{Policy, denied};
use crate::message::body::Body;
use crate::message::body::BodyError;
use crate::message::error_code::ErrorCode;
use crate::message::framing::{announce_chunks, without_content};
use crate::message::timeouts::Timeouts;
use again::{Again, Answered, KeptConnection};
use response::{HEAD_FIELDS, Interim, PARSED_BYTES};

/// The time limit for connecting. A component can only shorten it. [`RESPONSE_TIMEOUT`] applies only if the component
/// sets no time limit for the response.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub(super) struct Network {
    client: Client<Connector, Body>,
}

impl Network {
    /// Creates a client that connects to servers at the addresses that the policy allows, or at every address if there
    /// is no policy.
    pub(super) fn new(policy: Option<Policy>) -> Self {
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(Guarded { policy });
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http1_max_headers(HEAD_FIELDS)
            .http2_max_header_list_size(PARSED_BYTES)
            // Accepts the forms of headers that only old servers send (RFC 9112, sections 5.1 and 5.2).
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .build(Connector(https));
        Self { client }
    }

    pub(super) async fn send(self, mut request: Request<Body>) -> Result<Response<Body>, ErrorCode> {
        let timeouts = request.extensions_mut().remove::<Timeouts>().unwrap_or_default();
        take_credentials_out(request.uri_mut());
        announce_chunks(&mut request);
        let uri = request.uri().clone();
        let is_head = request.method() == Method::HEAD;
        let interim = Interim::default();
        interim.count(&mut request);
        let (mut request, mut again) = Again::keep(request);
        let response = loop {
            let exchange = self.exchange(request, timeouts);
            let sent = tokio::select! {
                sent = exchange => sent,
                code = interim.exceeded(&uri) => return Err(code),
            };
            match sent {
                Ok(response) => break response,
                Err(Failed::Code(code)) => return Err(code),
                Err(Failed::Client(error)) => match again.as_mut().and_then(|again| again.after(&error)) {
                    Some(same) => request = same,
                    None => return Err(code(&error, &uri)),
                },
            }
        };
        if let Some(answered) = response.extensions().get::<Answered>() {
            answered.set();
        }
        let (mut head, body) = response.into_parts();
        response::tidy(&mut head, &uri)?;
        let pause = timeouts.between_bytes.unwrap_or(RESPONSE_TIMEOUT);
        let body = Received { body, pause, deadline: Box::pin(sleep(pause)), waiting: false };
        // Removes content here already, so that recordings contain only what the component receives.
        Ok(without_content(is_head, Response::from_parts(head, Body::new(body))))
    }

    /// Sends a request, and waits for the head of its response.
    async fn exchange(&self, mut request: Request<Body>, timeouts: Timeouts) -> Result<Response<Incoming>, Failed> {
        let mut connection = capture_connection(&mut request);
        let request = trailers::watched(request, &connection);
        let mut response = pin!(self.client.request(request));
        let connected = async { drop(connection.wait_for_connection_metadata().await) };
        let connect = timeout(timeouts.connect.unwrap_or(CONNECT_TIMEOUT), connected);
        let response = tokio::select! {
            // Polls the response first, because it may arrive before the connection is reported.
            biased;
            response = &mut response => response,
            connected = connect => {
                if connected.is_err() {
                    return Err(Failed::Code(ErrorCode::ConnectionTimeout));
                }
                let limit = timeouts.first_byte.unwrap_or(RESPONSE_TIMEOUT);
                timeout(limit, response).await.map_err(|_| Failed::Code(ErrorCode::HttpResponseTimeout))?
            }
        };
        response.map_err(Failed::Client)
    }
}

/// The reason why there is no response.
enum Failed {
    Client(hyper_util::client::legacy::Error),
    Code(ErrorCode),
}

/// Removes user and password from a URI. They must not be sent to a server (RFC 9110, section 4.2.4), but hyper would
/// send them over HTTP/2.
fn take_credentials_out(uri: &mut Uri) {
    let mut parts = uri.clone().into_parts();
    let alone = parts.authority.as_ref().and_then(|authority| authority.as_str().rsplit_once('@')?.1.parse().ok());
    if alone.is_some() {
        parts.authority = alone;
        if let Ok(alone) = Uri::from_parts(parts) {
            *uri = alone;
        }
    }
}

/// Returns the error code that names the cause most precisely.
fn code(error: &hyper_util::client::legacy::Error, uri: &Uri) -> ErrorCode {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<ConnectTimeout>() {
            return ErrorCode::ConnectionTimeout;
        }
        if let Some(error) = error.downcast_ref::<LookupFailed>() {
            return ErrorCode::DnsError { rcode: Some(error.0.to_string()), info_code: None };
        }
        if error.is::<Prohibited>() {
            return ErrorCode::DestinationIpProhibited;
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return if error.is_parse_too_large() { response::too_large(uri) } else { hyper_code(error) };
        }
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io_code) {
            return code;
        }
        cause = error.source();
    }
    if error.is_connect() {
        return ErrorCode::DestinationUnavailable;
    }
    ErrorCode::HttpProtocolError
}

fn hyper_code(error: &hyper::Error) -> ErrorCode {
    if error.is_timeout() {
        ErrorCode::HttpResponseTimeout
    } else if error.is_incomplete_message() {
        ErrorCode::HttpResponseIncomplete
    } else if let Some(code) = error.source().and_then(|source| source.downcast_ref::<io::Error>()).and_then(io_code) {
        code
    } else {
        ErrorCode::HttpProtocolError
    }
}

fn io_code(error: &io::Error) -> Option<ErrorCode> {
    if let Some(error) = error.get_ref() {
        // Connectors wrap the error of the layer below, and the wrapper's `source` skips that error.
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return io_code(error);
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(match error {
                rustls::Error::InvalidCertificate(_) => ErrorCode::TlsCertificateError,
                rustls::Error::AlertReceived(alert) => ErrorCode::TlsAlertReceived {
                    alert_id: Some((*alert).into()),
                    alert_message: alert.as_str().map(str::to_owned),
                },
                _ => ErrorCode::TlsProtocolError,
            });
        }
    }
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => ErrorCode::ConnectionTerminated,
        io::ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ErrorCode::DestinationIpUnroutable,
        _ => return None,
    })
}

/// Connects within a time limit that includes the TLS handshake.
#[derive(Clone)]
struct Connector(HttpsConnector<Guarded>);

type Connection = KeptConnection<<HttpsConnector<Guarded> as Service<Uri>>::Response>;

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BodyError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            let connected = timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or(Err(Box::new(ConnectTimeout)));
            connected.map(KeptConnection::new)
        })
    }
}

#[derive(Debug)]
struct ConnectTimeout;

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {} s", CONNECT_TIMEOUT.as_secs())
    }
}

impl StdError for ConnectTimeout {}

/// Connects to a server at one of its permitted addresses.
///
/// The addresses are checked after the lookup, and the connection uses exactly these, because a second lookup could
/// return different ones.
#[derive(Clone)]
struct Guarded {
    policy: Option<Policy>,
}

type Plain = <HttpConnector<Resolver> as Service<Uri>>::Response;

impl Service<Uri> for Guarded {
    type Response = Plain;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<Plain, BodyError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let allowed = self.policy.as_ref().map(|policy| (policy.addresses(&uri), uri.clone()));
        let mut http = HttpConnector::new_with_resolver(Resolver { system: GaiResolver::new(), allowed });
        http.enforce_http(false);
        http.set_nodelay(true);
        Box::pin(async move { Ok(http.call(uri).await?) })
    }
}

/// The system's resolver. Wraps its errors in [`LookupFailed`], and checks its results against the policy.
#[derive(Clone)]
struct Resolver {
    system: GaiResolver,
    /// The addresses that the policy permits for a server, and the URI of the call to it.
    allowed: Option<(Addresses, Uri)>,
}

#[derive(Debug)]
struct LookupFailed(io::Error);

impl fmt::Display for LookupFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name lookup failed: {}", self.0)
    }
}

impl StdError for LookupFailed {}

#[derive(Debug)]
struct Prohibited;

impl fmt::Display for Prohibited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server is at an address that is not allowed")
    }
}

impl StdError for Prohibited {}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BodyError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        self.system.poll_ready(cx).map_err(|error| LookupFailed(error).into())
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let lookup = self.system.call(name);
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup.await.map_err(LookupFailed)?.collect();
            match allowed {
                Some((addresses, uri)) => Ok(permitted(found, &addresses, &uri)?.into_iter()),
                None => Ok(found.into_iter()),
            }
        })
    }
}

/// Returns those addresses of a server that are permitted. Fails if all of them are refused.
fn permitted(found: Vec<SocketAddr>, allowed: &Addresses, uri: &Uri) -> Result<Vec<SocketAddr>, Prohibited> {
    let mut refused = None;
    let permitted: Vec<SocketAddr> = found
        .into_iter()
        .filter(|found| match allowed.allow(found.ip()) {
            Ok(()) => true,
            Err(refusal) => {
                refused = Some(refusal.sentence(found.ip()));
                false
            }
        })
        .collect();
    match refused {
        Some(why) if permitted.is_empty() => {
            tracing::warn!("{}", denied(uri, &why));
            Err(Prohibited)
        }
        _ => Ok(permitted),
    }
}

/// The body of a response, with a time limit for pauses of the server.
struct Received {
    body: Incoming,
    pause: Duration,
    deadline: Pin<Box<Sleep>>,
    /// Whether the reader waits for a frame. The time limit runs only while it does.
    waiting: bool,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = ErrorCode;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ErrorCode>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.waiting = false;
                Poll::Ready(frame.map(|frame| frame.map_err(|error| body_code(&error))))
            }
            Poll::Pending => {
                if !this.waiting {
                    this.waiting = true;
                    this.deadline.as_mut().reset(Instant::now() + this.pause);
                }
                std::task::ready!(this.deadline.as_mut().poll(cx));
                Poll::Ready(Some(Err(ErrorCode::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Returns the error code of a response body that failed. After any failure but a timeout, the body counts as
/// incomplete.
fn body_code(error: &hyper::Error) -> ErrorCode {
    if error.is_timeout() { ErrorCode::HttpResponseTimeout } else { ErrorCode::HttpResponseIncomplete }
}
