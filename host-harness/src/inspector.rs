//! The request inspector: a page on its own port that shows requests as they happen.

mod describe;
mod guard;
mod history;
mod plain_text;
mod saved;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::builds::Builds;
use crate::harness::{Harness, Origin};
use crate::inbound::Inbound;
use crate::message::body::Body;
use crate::message::problem::problem;
use crate::telemetry::{Recorder, Resent};
use crate::{Error, Server, ServerBuilder};
use history::{Entry, History};

/// A page that shows requests as they happen, with timing, headers, bodies, output, traps and outbound calls. It can
/// send a request again, and save one as a test.
///
/// It accepts connections from this machine only, and requests from its own pages only, because requests may contain
/// secrets. It keeps the newest 500 requests, with at most 32 MiB of their data. Dropping this value closes the page.
#[derive(Debug)]
pub struct Inspector {
    server: Server,
    collector: JoinHandle<()>,
}

/// The state that all requests for the page share.
struct PageState {
    history: History,
    inbound: Inbound,
    origin: Origin,
    builds: Option<Builds>,
}

impl Harness {
    /// Serves a page that shows requests from now on. Port 0 selects a free port.
    /// [`HarnessBuilder::capture_bodies`](crate::HarnessBuilder::capture_bodies) sets how much of each body the page
    /// shows.
    ///
    /// # Errors
    ///
    /// Fails if the address is not a loopback address, or if the system cannot listen on it.
    pub async fn inspector(&self, addr: &str) -> Result<Inspector, Error> {
        Inspector::start(addr, self.inbound(), &self.recorder(), self.origin().clone(), None).await
    }
}

impl Inspector {
    pub(crate) async fn start(
        addr: &str,
        inbound: Inbound,
        recorder: &Recorder,
        origin: Origin,
        builds: Option<Builds>,
    ) -> Result<Self, Error> {
        let addr = loopback(addr).await?;
        let shared = Arc::new(PageState { history: History::new(), inbound, origin, builds });
        let mut events = recorder.events();
        let answering = Arc::clone(&shared);
        let page = Inbound::new(move |request| answer(Arc::clone(&answering), request));
        let server = ServerBuilder::new(addr, page).await?;
        let collector = tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) => shared.history.add(event),
                    Err(RecvError::Lagged(events)) => shared.history.missed(events),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Ok(Self { server, collector })
    }

    /// Returns the address that the inspector listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Returns the URL of the page.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url("/")
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.collector.abort();
    }
}

/// Resolves an address, and rejects it unless it is a loopback address.
async fn loopback(addr: &str) -> Result<SocketAddr, Error> {
    let refused = |why: &str| Error::new(format!("the inspector cannot listen on `{addr}`: {why}"));
    let help = "write an address of this machine, as `127.0.0.1:3001`; port 0 takes a free one";
    let mut found = tokio::net::lookup_host(addr)
        .await
        .map_err(|error| refused("that is no address").with_help(help).with_source(error))?;
    let addr = found.next().ok_or_else(|| refused("the name has no address").with_help(help))?;
    if !addr.ip().is_loopback() || found.any(|addr| !addr.ip().is_loopback()) {
        return Err(refused("it shows what requests carry, and sends them again").with_help(help));
    }
    Ok(addr)
}

async fn answer(shared: Arc<PageState>, request: Request<Body>) -> Response<Body> {
    let mut response = match guard::objection(&request) {
        Some(objection) => problem(StatusCode::FORBIDDEN, Some(objection)),
        None => route(&shared, request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// The headers of every response. With them, the page loads nothing from other origins, and no other page may embed or
/// read it.
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
];

async fn route(shared: &Arc<PageState>, request: Request<Body>) -> Response<Body> {
    let path: Vec<&str> = request.uri().path().trim_start_matches('/').split('/').collect();
    let is_post = request.method() == Method::POST;
    if !is_post && request.method() != Method::GET && request.method() != Method::HEAD {
        return problem(StatusCode::METHOD_NOT_ALLOWED, None);
    }
    match (is_post, path.as_slice()) {
        (false, [""]) => of_type("text/html; charset=utf-8", include_str!("inspector/page.html")),
        (false, ["page.css"]) => of_type("text/css; charset=utf-8", include_str!("inspector/page.css")),
        (false, ["text.js"]) => of_type("text/javascript; charset=utf-8", include_str!("inspector/text.js")),
        (false, ["page.js"]) => of_type("text/javascript; charset=utf-8", include_str!("inspector/page.js")),
        (false, ["updates"]) => updates(Arc::clone(shared)),
        (false, ["requests", number]) => {
            with_entry(shared, number, |entry| of_type("application/json", describe::whole(entry).to_string()))
        }
        (false, ["requests", number, "test.rs"]) => {
            with_entry(shared, number, |entry| match saved::test(entry, &shared.origin) {
                Ok(text) => of_type("text/plain; charset=utf-8", text),
                Err(reason) => problem(StatusCode::CONFLICT, Some(reason)),
            })
        }
        (true, ["requests", number, "resend"]) => resend(shared, number).await,
        _ => problem(StatusCode::NOT_FOUND, None),
    }
}

fn of_type(media_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn with_entry(shared: &PageState, number: &str, answer: impl FnOnce(&Entry) -> Response<Body>) -> Response<Body> {
    let found = number.parse().ok().and_then(|number| shared.history.get(number));
    match found {
        Some(entry) => answer(&entry),
        None => problem(StatusCode::NOT_FOUND, Some("this request is not kept any more")),
    }
}

/// Sends a request again, and returns the status of the response. Reads and discards the body of the response.
async fn resend(shared: &PageState, number: &str) -> Response<Body> {
    let Some(entry) = number.parse().ok().and_then(|number| shared.history.get(number)) else {
        return problem(StatusCode::NOT_FOUND, Some("this request is not kept any more"));
    };
    let request = match repeated(&entry) {
        Ok(request) => request,
        Err(reason) => return problem(StatusCode::CONFLICT, Some(reason)),
    };
    let (head, body) = shared.inbound.handle(request).await.into_parts();
    tokio::spawn(async move {
        let mut body = body;
        // The history records the response while it is read here. It does so even if the body breaks off.
        while let Some(Ok(_)) = http_body_util::BodyExt::frame(&mut body).await {}
    });
    of_type("application/json", format!("{{\"status\":{}}}", head.status.as_u16()))
}

/// Returns the original request, if all of it was kept.
fn repeated(entry: &Entry) -> Result<Request<Body>, &'static str> {
    if let Some(reason) = entry.unrepeatable() {
        return Err(reason);
    }
    let exchange = &entry.exchange;
    let body = Body::from(exchange.request_body.bytes());
    let mut request = Request::new(match exchange.request_body.trailers() {
        Some(trailers) => body.with_trailers(trailers),
        None => body,
    });
    *request.method_mut() = exchange.method.clone();
    *request.uri_mut() = exchange.uri.clone();
    *request.headers_mut() = exchange.request_headers.clone();
    request.extensions_mut().insert(Resent(exchange.request));
    Ok(request)
}

/// How long changes are collected before they are sent to the page.
const GATHER: Duration = Duration::from_millis(50);

/// A stream of server-sent events: first the whole history, then batches of changes.
fn updates(shared: Arc<PageState>) -> Response<Body> {
    let reader = Reader { changes: shared.history.changes(), builds: shared.builds.clone(), seen: None, shared };
    let updates = futures_util::stream::unfold(reader, |mut reader| async {
        let update = reader.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(format!("data: {update}\n\n")))), reader))
    });
    of_type("text/event-stream", Body::new(StreamBody::new(updates)))
}

/// One stream of updates to a page.
struct Reader {
    shared: Arc<PageState>,
    changes: watch::Receiver<()>,
    builds: Option<Builds>,
    /// The revision of the history that was sent last. `None` before the first update.
    seen: Option<u64>,
}

impl Reader {
    async fn next(&mut self) -> Option<Value> {
        if self.seen.is_some() {
            self.change().await?;
            tokio::time::sleep(GATHER).await;
        }
        self.changes.mark_unchanged();
        let build = self.builds.as_mut().map(Builds::newest);
        let (update, revision) = self.shared.history.since(self.seen.unwrap_or_default(), |entries, missed| {
            describe::update(entries, missed, build.as_ref(), &self.shared.origin)
        });
        self.seen = Some(revision);
        Some(update)
    }

    /// Waits for a change of the history or of the build. Returns `None` if no change can follow.
    async fn change(&mut self) -> Option<()> {
        let Some(builds) = &mut self.builds else { return self.changes.changed().await.ok() };
        tokio::select! {
            changed = self.changes.changed() => changed.ok(),
            build = builds.next() => build.map(drop),
        }
    }
}
