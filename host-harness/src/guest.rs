//! Sends requests through a linked component.

mod busy;
mod clock;
mod io_error;
mod linker;
mod response;
mod state;
mod trap;
mod upload;
mod wasip2;
mod wasip3;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode as WasiErrorCode;

use crate::Error;
use crate::component::{Component, Flat, World};
use crate::head::{self, Refusal, refused};
use crate::inbound::Client;
use crate::limits::{Busy, Gate, LimitedUpload, TooLarge};
use crate::message::body::Body;
use crate::message::error_code::ErrorCode;
use crate::message::framing::without_content;
use crate::message::headers::remove_connection_fields;
use crate::message::problem::problem;
use crate::telemetry::{Recorder, Running, Tracked};

use response::ResponseDelivery;
pub(crate) use state::Settings;

/// A linked component, whose instances respond to requests.
pub(crate) struct Guest {
    world: Linked,
    /// The name of the component in reports.
    name: Arc<str>,
    settings: Arc<Settings>,
    gate: Gate,
    recorder: Recorder,
}

enum Linked {
    Wasip2(wasip2::Wasip2),
    Wasip3(wasip3::Wasip3),
}

/// The reason why a component gave no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The component trapped, or returned without a response.
    Trapped,
    /// The component took longer than its time limit.
    TimedOut,
    /// The component returned an error code. It is in the type of WASI 0.3, so that middleware in front of the
    /// component can receive it.
    ErrorCode(WasiErrorCode),
    /// The host rejected the head of the request.
    Refused(Refusal),
    /// The body, the trailers or the chunk extensions of the request exceed their limit.
    TooLarge(TooLarge),
    /// The client did not send the request body in time.
    ClientTooSlow,
    /// The queue of waiting requests was full, or the request waited in it for the time limit.
    Busy,
}

impl Guest {
    /// Links an application.
    pub(crate) fn new(component: &Component, settings: Arc<Settings>, recorder: Recorder) -> Result<Self, Error> {
        let description = component.description();
        let path = description.path.display();
        let linked = match &description.world {
            World::IncomingHandler { .. } => wasip2::Wasip2::link(component, &settings).map(Linked::Wasip2),
            World::Handler { .. } => wasip3::Wasip3::link(component, None, Arc::clone(&settings)).map(Linked::Wasip3),
            World::Middleware { .. } => {
                return Err(Error::new(format!("`{path}` is middleware: it needs a handler to call")).with_help(
                    format!("name an application as the target, and put this in front of it: `--middleware {path}`"),
                ));
            }
            World::Other => {
                let exports = match description.exports.as_slice() {
                    [] => "nothing".to_owned(),
                    exports => exports.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                };
                return Err(Error::new(format!("`{path}` is no HTTP handler: it exports {exports}")).with_help(
                    "put `#[http_component]` on the handler, so that it exports `wasi:http/incoming-handler`",
                ));
            }
        };
        Self::of(component, linked, settings, recorder)
    }

    /// Links middleware with the handler that it calls.
    pub(crate) fn before(
        component: &Component,
        next: Self,
        settings: Arc<Settings>,
        recorder: Recorder,
    ) -> Result<Self, Error> {
        let linked = wasip3::Wasip3::link(component, Some(next), Arc::clone(&settings)).map(Linked::Wasip3);
        Self::of(component, linked, settings, recorder)
    }

    fn of(
        component: &Component,
        linked: wasmtime::Result<Linked>,
        settings: Arc<Settings>,
        recorder: Recorder,
    ) -> Result<Self, Error> {
        let description = component.description();
        let path = description.path.display();
        if description.world.is_of_unknown_version() {
            return Err(Error::new(format!("`{path}` exports `{}`, a version that is not known", description.world))
                .with_help("build it for `wasi:http` 0.2 or 0.3"));
        }
        let world = linked.map_err(|error| {
            let missing = description.imports.iter().filter(|import| !import.provided);
            let missing: Vec<String> = missing.map(|import| format!("`{}`", import.name)).collect();
            if missing.is_empty() {
                return Error::new(format!("cannot link `{path}`"))
                    .with_source(Flat::of(&error))
                    .with_help("`wayside inspect` shows what the component imports");
            }
            Error::new(format!("`{path}` imports what the harness does not offer: {}", missing.join(", ")))
                .with_help("remove what imports it; `wayside inspect` shows all that the component imports")
        })?;
        let name = description.path.file_stem().unwrap_or_default().to_string_lossy().into();
        let gate = Gate::new(&settings.limits);
        Ok(Self { world, name, settings, gate, recorder })
    }

    /// Responds to a request. Failures of the component become 4xx and 5xx responses.
    pub(crate) async fn handle(&self, mut request: Request<Body>) -> Response<Body> {
        let accepted = head::accept(&mut request);
        let running = self.recorder.start(&request, &self.name);
        let tracked = Arc::clone(&running.tracked);
        // A component may keep its request. The request must not keep the `Client` alive, because a server that shuts
        // down waits until every `Client` is dropped.
        request.extensions_mut().remove::<Arc<Client>>();
        let request = tracked.asked(request);
        let answer = match accepted {
            Ok(()) => self.admit(request, running).await,
            Err(refusal) => Err(Failure::Refused(refusal)),
        };
        tracked.answered(answer.unwrap_or_else(Failure::into_response))
    }

    /// Applies the limits to a request, and sends it to the component.
    async fn admit(&self, request: Request<Body>, running: Running) -> Result<Response<Body>, Failure> {
        let (request, upload) = LimitedUpload::limit(request, &self.settings.limits)?;
        let running = running.with_turn(self.gate.enter().await?);
        let tracked = Arc::clone(&running.tracked);
        let answer = self.call(request, running).await;
        // A fault of the request body takes precedence over the response or the failure with which the component
        // reacted to it.
        match upload.excess() {
            Some(excess) => Err(Failure::TooLarge(excess)),
            None if tracked.client_fault().is_some() => Err(Failure::ClientTooSlow),
            None => answer,
        }
    }

    /// Responds to a request from the middleware in front of this component, as part of the same client request.
    pub(crate) async fn handle_for(
        &self,
        request: Request<Body>,
        tracked: Option<Arc<Tracked>>,
    ) -> Result<Response<Body>, WasiErrorCode> {
        let is_head = request.method() == Method::HEAD;
        let running = match tracked {
            Some(tracked) => Running::beside(tracked, &self.name),
            None => self.recorder.start(&request, &self.name),
        };
        match self.call(request, running).await {
            Err(Failure::ErrorCode(code)) => Err(code),
            answer => Ok(without_content(is_head, answer.unwrap_or_else(Failure::into_response))),
        }
    }

    async fn call(&self, mut request: Request<Body>, running: Running) -> Result<Response<Body>, Failure> {
        remove_connection_fields(request.headers_mut());
        match &self.world {
            Linked::Wasip2(world) => world.handle(&self.settings, request, running).await,
            Linked::Wasip3(world) => world.handle(request, running).await,
        }
    }
}

impl From<TooLarge> for Failure {
    fn from(excess: TooLarge) -> Self {
        Self::TooLarge(excess)
    }
}

impl From<Busy> for Failure {
    fn from(Busy: Busy) -> Self {
        Self::Busy
    }
}

/// Fails a request that exceeds its time limit: with 408 if the component waits for the request body, otherwise with
/// 504.
fn overdue(running: &Running, delivery: &ResponseDelivery, limit: Duration) {
    if !delivery.is_answered() && running.tracked.blame_slow_upload(limit) {
        delivery.fail(Failure::ClientTooSlow);
    } else {
        let what = if delivery.is_answered() { "its work after the response" } else { "it" };
        running.trapped(format!("{what} took longer than the limit of {limit:?} (`--timeout`, `Limits::timeout`)"));
        delivery.fail(Failure::TimedOut);
    }
}

impl Failure {
    fn into_response(self) -> Response<Body> {
        match self {
            Self::Trapped => problem(StatusCode::INTERNAL_SERVER_ERROR, None),
            Self::ErrorCode(code) => {
                tracing::error!("the component answered with an error code: {}", ErrorCode::from_host(code.into()));
                problem(StatusCode::INTERNAL_SERVER_ERROR, None)
            }
            Self::TimedOut => problem(StatusCode::GATEWAY_TIMEOUT, None),
            Self::Refused(refusal) => refused(&refusal),
            Self::TooLarge(TooLarge::Body) => {
                problem(StatusCode::PAYLOAD_TOO_LARGE, Some("the body is longer than this server takes"))
            }
            Self::TooLarge(TooLarge::Trailers) => {
                let reason = "the trailers of the request are larger than this server takes";
                problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Some(reason))
            }
            Self::TooLarge(TooLarge::ChunkExtensions) => {
                let reason = "the chunk extensions of the body are larger than this server takes";
                problem(StatusCode::BAD_REQUEST, Some(reason))
            }
            Self::ClientTooSlow => {
                problem(StatusCode::REQUEST_TIMEOUT, Some("the body of the request did not arrive in time"))
            }
            Self::Busy => {
                let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, Some("too many requests at once"));
                // The client may try again after one second (RFC 9110, section 10.2.3).
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
        }
    }
}
