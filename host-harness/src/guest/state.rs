//! The state of an instance.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tower_service::Service as _;
use wasmtime::component::ResourceTable;
use wasmtime::{AsContext, CallHook, Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode as WasiErrorCode;
use wasmtime_wasi_http::{
    Error as HostError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::upload::{Of, Uploads};
use crate::config::Config;
use crate::keyvalue::KeyValueView;
use crate::limits::Meter;
use crate::message::body::Body;
use crate::message::error_code::ErrorCode;
use crate::message::timeouts::Timeouts;
use crate::telemetry::{LogStream, Running, Took, Tracked};
use crate::{Clock, KeyValue, Limits, Outbound};

/// The settings of every instance of a component.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) config: Config,
    pub(crate) keyvalue: KeyValue,
    pub(crate) outbound: Outbound,
    pub(crate) limits: Limits,
    pub(crate) fuel: bool,
    /// The number of requests that one instance handles before it is replaced.
    pub(crate) reuse: u32,
    /// The number of requests that one instance of a WASI 0.3 component handles at the same time.
    pub(crate) at_once: u32,
    /// The seed of the component's random numbers. `None` makes them unpredictable.
    pub(crate) seed: Option<u64>,
    /// The clock that the test moves. `None` means real time.
    pub(crate) clock: Option<Clock>,
}

impl Settings {
    /// The number of requests that an instance works on at the same time. It is one if fuel is counted, because fuel is
    /// counted per instance.
    pub(crate) fn at_once(&self) -> u32 {
        if self.fuel { 1 } else { self.at_once.min(self.reuse) }
    }
}

/// The host's data about one instance, in its store.
pub(crate) struct InstanceState {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    config: Config,
    keyvalue: KeyValue,
    hooks: Hooks,
    clock: Option<Clock>,
    pub(crate) meter: Meter,
    counts_fuel: bool,
    /// Called with the number of a request in this instance when middleware passes the request to the next handler.
    pub(super) calls_next: Option<CallsNext>,
    /// The number of the current request in the instance.
    pub(super) flight: u64,
    /// The number of calls from the component to the host during the current request, if they are counted.
    pub(crate) host_calls: u64,
    /// The number of the current request, shared with the output streams, which record it.
    request: Arc<AtomicU64>,
    /// The tracing span of the instance, which names the current request.
    span: tracing::Span,
}

/// Records that the next handler has received a request.
pub(super) type CallsNext = Box<dyn Fn(u64) -> WithNext + Send + Sync>;

/// A guard that is dropped when the next handler has responded.
pub(super) type WithNext = Box<dyn Any + Send + Sync>;

struct Hooks {
    outbound: Outbound,
    /// The current request, which outbound calls belong to.
    tracked: Option<Arc<Tracked>>,
    uploads: Uploads,
}

impl InstanceState {
    /// Creates the store of an instance, with its limits and counters.
    pub(crate) fn store(engine: &Engine, settings: &Settings, running: &Running) -> Store<Self> {
        running.instantiated();
        let mut store = Store::new(engine, Self::new(settings, running));
        store.limiter(|state| &mut state.meter);
        if settings.fuel {
            store.call_hook(|mut cx, hook| {
                if matches!(hook, CallHook::CallingHost) {
                    cx.data_mut().host_calls += 1;
                }
                Ok(())
            });
        }
        // A component that computes without waiting yields at each epoch. Its worker can then check the deadline.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut cx| {
            // At this interrupt, wasmtime has called the hook above as if the component had called a host function.
            let state = cx.data_mut();
            state.host_calls = state.host_calls.saturating_sub(1);
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    fn new(settings: &Settings, running: &Running) -> Self {
        let request = Arc::new(AtomicU64::new(running.request));
        let mut wasi = WasiCtx::builder();
        wasi.envs(&settings.env);
        wasi.stdout(running.output(LogStream::Stdout, &request));
        wasi.stderr(running.output(LogStream::Stderr, &request));
        if let Some(seed) = settings.seed {
            seed_random(&mut wasi, seed, running.request);
        }
        if let Some(clock) = &settings.clock {
            wasi.wall_clock(clock.clone());
            wasi.monotonic_clock(clock.clone());
        }
        Self {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            config: settings.config.clone(),
            keyvalue: settings.keyvalue.clone(),
            hooks: Hooks { outbound: settings.outbound.clone(), tracked: None, uploads: Uploads::default() },
            clock: settings.clock.clone(),
            meter: Meter::new(&settings.limits),
            counts_fuel: settings.fuel,
            calls_next: None,
            flight: 0,
            host_calls: 0,
            request,
            span: tracing::trace_span!("request", request = running.request),
        }
    }

    /// Returns what the instance used for the current request.
    pub(crate) fn took(store: impl AsContext<Data = Self>) -> Took {
        let store = store.as_context();
        let fuel = store.get_fuel().ok().map(|left| u64::MAX - left);
        let host_calls = fuel.map(|_| store.data().host_calls);
        Took { memory_bytes: store.data().meter.peak_bytes(), fuel, host_calls }
    }

    /// Fails the unfinished bodies that the component sends, because no code is left to finish them.
    pub(crate) fn cut_uploads(&mut self) {
        self.hooks.uploads.cut();
    }

    /// Wraps a body that the component sends to the next handler. The body fails if [`cut_uploads`](Self::cut_uploads)
    /// is called before its end.
    pub(crate) fn upload(&mut self, body: WasiBody) -> Body {
        let request = self.hooks.tracked.as_ref().map(|tracked| tracked.number());
        self.hooks.uploads.watch(body, Of { request, server: None })
    }

    pub(super) fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    pub(super) fn keyvalue(&mut self) -> KeyValueView<'_> {
        KeyValueView { store: &self.keyvalue, table: &mut self.table }
    }

    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// Returns the clock that the test moves, and the resource table.
    ///
    /// # Panics
    ///
    /// Panics if there is no such clock. Only the functions of the clock call this method, and they are linked only if
    /// there is such a clock.
    pub(super) fn stopped_clock(&mut self) -> (Clock, &mut ResourceTable) {
        (self.clock.clone().expect("a stopped clock is linked only where there is one"), &mut self.table)
    }

    /// Records that the next handler works on the current request, until the returned guard is dropped. Returns the
    /// record of the request as well.
    pub(crate) fn pass_on(&self) -> (Option<Arc<Tracked>>, Option<WithNext>) {
        (self.hooks.tracked.clone(), self.calls_next.as_ref().map(|calls_next| calls_next(self.flight)))
    }

    /// Whether the engine counts fuel.
    pub(crate) fn counts_fuel(&self) -> bool {
        self.counts_fuel
    }

    /// Returns the tracing span of the instance.
    pub(crate) fn span(&self) -> tracing::Span {
        self.span.clone()
    }

    /// Switches to the next request, and starts counting host calls anew.
    pub(crate) fn next(&mut self, running: &Running) {
        self.host_calls = 0;
        self.turn_to(running);
    }

    /// Attributes the output and the outbound calls that follow to a request.
    pub(crate) fn turn_to(&mut self, running: &Running) {
        if self.request.load(Ordering::Relaxed) == running.request && self.hooks.tracked.is_some() {
            return;
        }
        self.request.store(running.request, Ordering::Relaxed);
        self.span.record("request", running.request);
        self.hooks.tracked = Some(Arc::clone(&running.tracked));
    }

    /// Releases the current request. Outbound calls that follow belong to no request.
    pub(crate) fn done(&mut self) {
        self.hooks.tracked = None;
    }
}

/// Derives the random numbers of an instance from a seed and the number of its first request.
fn seed_random(wasi: &mut WasiCtxBuilder, seed: u64, request: u64) {
    let mut random = StdRng::seed_from_u64(seed.rotate_left(32) ^ request);
    wasi.insecure_random_seed(random.random());
    wasi.insecure_random(StdRng::from_rng(&mut random));
    wasi.secure_random(random);
}

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for InstanceState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Removes user information from the `host` header (RFC 9110, section 7.2). wasmtime copies it there from the authority
/// that the component set.
fn name_host_alone(fields: &mut HeaderMap) {
    if let Some(host) = fields.get_mut(header::HOST)
        && let Some(at) = host.as_bytes().iter().rposition(|byte| *byte == b'@')
        && let Ok(alone) = HeaderValue::from_bytes(&host.as_bytes()[at + 1..])
    {
        *host = alone;
    }
}

/// Whether a request asks for the options of the whole server, as `OPTIONS *`.
///
/// wasmtime rejects the path `*`, because a URI with an authority has no such path. In absolute form that URI has an
/// empty path (RFC 9112, section 3.2.4).
pub(super) fn is_for_whole_server(method: &Method, path: Option<&PathAndQuery>) -> bool {
    // `as_str` returns `/` for an empty path too, but the empty path is not equal to the path `/`.
    let is_empty = |path: &PathAndQuery| path.as_str() == "/" && *path != PathAndQuery::from_static("/");
    *method == Method::OPTIONS && path.is_none_or(is_empty)
}

/// Sets the target to `*` if the request asks for the options of the whole server.
fn restore_asterisk(request: &mut Request<Body>) {
    if is_for_whole_server(request.method(), request.uri().path_and_query()) {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static("*"));
        *request.uri_mut() = Uri::from_parts(parts).expect("a URI stays valid with another path");
    }
}

type SentRequest = Result<(Response<WasiBody>, Transmission), HostError>;
type Transmission = Box<dyn Future<Output = Result<(), HostError>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Transmission,
    ) -> Box<dyn Future<Output = SentRequest> + Send> {
        let of = Of {
            request: self.tracked.as_ref().map(|tracked| tracked.number()),
            server: Some((request.method().clone(), request.uri().clone())),
        };
        let mut request = request.map(|body| self.uploads.watch(body, of));
        name_host_alone(request.headers_mut());
        restore_asterisk(&mut request);
        if let Some(options) = options {
            request.extensions_mut().insert(Timeouts {
                connect: options.connect_timeout,
                first_byte: options.first_byte_timeout,
                between_bytes: options.between_bytes_timeout,
            });
        }
        let answer = match &self.tracked {
            Some(tracked) => Arc::clone(tracked).call(request, |request| self.outbound.call(request)),
            None => self.outbound.call(request),
        };
        Box::new(async move {
            let response = answer.await.map_err(ErrorCode::into_host)?.map(Body::into_guest);
            let transmitted: Transmission = Box::new(std::future::ready(Ok(())));
            Ok((response, transmitted))
        })
    }

    /// Accepts every scheme. Calls with an unsupported scheme are rejected later, where they are recorded and logged.
    fn is_supported_scheme(&mut self, _: &Scheme) -> bool {
        true
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> WasiErrorCode {
        if error.is_incomplete_message() {
            WasiErrorCode::HttpResponseIncomplete
        } else {
            WasiErrorCode::HttpProtocolError
        }
    }
}

// Checks that the state is `Send`, because stores move between threads.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<InstanceState>();
    is_send::<Pin<Box<dyn Future<Output = SentRequest> + Send>>>();
};
