//! A connection, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Request, Response, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::activity::{Activity, Verdict};
use super::flush::Flush;
use super::incoming::RequestBody;
use super::outgoing::ResponseBody;
use super::socket::{self, Socket};
use super::streams::{Stream, Streams};
use super::transfer::{DISCARD_BYTES, Transfer};
use crate::head::{self, FromSocket};
use crate::inbound::{Client, Inbound, Unfinished};
use crate::message::body::Body;
use crate::message::framing::keep_length;

/// The shared state of a server's connections.
pub(super) struct Connections {
    inbound: Inbound,
    client_timeout: Duration,
    requests: Arc<Unfinished>,
    http: auto::Builder<Streams>,
}

/// How a connection ended.
enum End {
    /// All data was passed to the system.
    Closed,
    /// The client is gone, the client reads nothing, or a normal end would make a broken response look complete.
    Cut,
}

impl Connections {
    pub(super) fn new(inbound: Inbound, client_timeout: Duration, requests: Arc<Unfinished>) -> Self {
        let mut http = auto::Builder::new(Streams { limit: client_timeout });
        // The module `head` enforces the limits for heads, and responds with an error message; the limits of hyper are
        // higher. `Activity` limits the time for a head as part of the time without a request, also in HTTP/2, so
        // hyper gets no time limit of its own.
        let http1 = &mut http.http1();
        http1.timer(TokioTimer::new()).half_close(true).header_read_timeout(None).max_headers(head::PARSED_FIELDS);
        // An extended CONNECT reaches the harness, which responds with 501 (RFC 9220, section 3). By default, hyper
        // would reset the stream without a reason.
        let http2 = &mut http.http2();
        http2.timer(TokioTimer::new()).max_header_list_size(head::PARSED_LIST_BYTES).enable_connect_protocol();
        Self { inbound, client_timeout, requests, http }
    }

    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, client: SocketAddr, stopping: watch::Receiver<bool>) {
        socket::configure(&stream, self.client_timeout);
        let (socket, stream) = stream.into_split();
        let activity = Arc::new(Activity::new(Instant::now()));
        let socket = Socket::new(socket, Arc::clone(&activity));
        match self.drive(socket, stream.as_ref(), client, &activity, stopping.clone()).await {
            End::Closed => socket::close(stream.as_ref(), &activity, self.client_timeout, stopping).await,
            End::Cut => socket::abort(stream.as_ref()),
        }
        // Dropping this half of the stream would shut down the sending side a second time.
        stream.forget();
    }

    /// Handles requests until the connection ends.
    async fn drive(
        &self,
        socket: Socket,
        stream: &TcpStream,
        client: SocketAddr,
        activity: &Arc<Activity>,
        mut stopping: watch::Receiver<bool>,
    ) -> End {
        let flush = Flush::default();
        let io = flush.socket(socket);
        let service = service_fn(|request| self.answer(request, activity, &flush));
        let mut connection = pin!(self.http.serve_connection(io, service));
        // The time at which the connection stopped accepting requests; `None` while it accepts them.
        let mut closing = None;
        loop {
            let wake = match activity.check(Instant::now(), self.client_timeout, closing) {
                Verdict::Wait(wake) => wake,
                Verdict::Idle => {
                    tracing::debug!("a connection had no request for {:?} and is closed", self.client_timeout);
                    closing = Some(Instant::now());
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
                Verdict::Stuck => return End::Closed,
                Verdict::Stalled => {
                    tracing::debug!("a client took nothing for {:?} and is cut off", self.client_timeout);
                    return End::Cut;
                }
            };
            tokio::select! {
                biased;
                ended = flush.run(connection.as_mut()) => {
                    if let Err(error) = ended {
                        log_end(&*error, client, activity);
                    }
                    return if flush.must_reset() { End::Cut } else { End::Closed };
                }
                () = socket::reset(stream) => return End::Cut,
                () = stopped(&mut stopping), if closing.is_none() => {
                    closing = Some(Instant::now());
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Responds to one request.
    fn answer(
        &self,
        request: Request<Incoming>,
        activity: &Arc<Activity>,
        flush: &Flush,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send + use<> {
        let version = request.version();
        let is_http2 = version == Version::HTTP_2;
        let client = Arc::new(Client::of_new_request(&self.requests));
        let closes = !is_http2 && (version < Version::HTTP_11 || asks_for_end(request.headers()));
        let transfer = Transfer::begin(client, Arc::clone(activity), self.client_timeout, is_http2, closes);
        let is_too_long = !is_http2 && request.body().size_hint().lower() > DISCARD_BYTES;
        let request = received(request, &transfer);
        let (inbound, flush) = (self.inbound.clone(), flush.clone());
        async move {
            let mut response = inbound.handle(request).await;
            if is_http2 {
                let is_failure = response.status().is_client_error() || response.status().is_server_error();
                transfer.settle(is_failure || response.body().is_end_stream()).await;
            } else {
                response = keep_length(response);
                if is_too_long && !transfer.received().has_happened() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                if asks_for_end(response.headers()) {
                    transfer.close();
                }
            }
            let response = flush.hold_failure(response, version);
            Ok(response.map(|body| ResponseBody::new(body, transfer, Stream::current())))
        }
    }
}

/// Prepares a request for the component: wraps its body, and adds the client as an extension.
fn received(mut request: Request<Incoming>, transfer: &Arc<Transfer>) -> Request<Body> {
    request.extensions_mut().insert(FromSocket);
    request.extensions_mut().insert(Arc::clone(&transfer.client));
    if request.body().is_end_stream() {
        transfer.received().happen();
        return request.map(Body::new);
    }
    let (head, incoming) = request.into_parts();
    let body = RequestBody::new(&head, incoming, Arc::clone(transfer));
    Request::from_parts(head, Body::new(body))
}

/// Whether a message closes its connection (RFC 9112, section 9.6).
fn asks_for_end(headers: &HeaderMap) -> bool {
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    options.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Logs why a connection ended. hyper itself responds to heads that it cannot parse, so no request is recorded for
/// them.
fn log_end(error: &(dyn std::error::Error + 'static), client: SocketAddr, activity: &Activity) {
    match error.downcast_ref::<hyper::Error>() {
        Some(error) if error.is_parse() => {
            activity.left_unread();
            tracing::warn!("refused a request from {client} before it reached a component: {error}");
        }
        _ => tracing::debug!("a connection ended: {error}"),
    }
}

/// Completes when the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // `wait_for` fails if the sender is dropped. The server then ends at once, and ends this task as well.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}
