//! What an instance carries with it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tower_service::Service as _;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode as WasiErrorCode;
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::body::BodyError;
use crate::limits::Meter;
use crate::outbound::{ErrorCode, Timeouts};
use crate::telemetry::{LogStream, Running, Tracked};
use crate::{Body, Limits, Outbound};

/// What every instance of a component gets.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) outbound: Outbound,
    pub(crate) limits: Limits,
    pub(crate) fuel: bool,
    /// How many requests one instance takes, one after the other.
    pub(crate) reuse: u32,
}

/// The data of a store.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    hooks: Hooks,
    pub(crate) meter: Meter,
    /// How many functions of the host the request at hand has called, where that is counted.
    pub(crate) host_calls: u64,
    /// The number of the request at hand, for its output.
    request: Arc<AtomicU64>,
}

struct Hooks {
    outbound: Outbound,
    /// The request at hand, which calls are made for.
    tracked: Option<Arc<Tracked>>,
    /// Whether the instance ended badly, which the bodies of its outbound requests must not outlive.
    cut: Arc<AtomicBool>,
}

/// The body of an outbound request. When its store is dropped it ends as if it were whole, so it is broken off where the
/// instance that wrote it ended badly.
struct Upload {
    body: WasiBody,
    cut: Arc<AtomicBool>,
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() && self.cut.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err("the component ended before its request did".into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl State {
    pub(crate) fn new(settings: &Settings, running: &Running) -> Self {
        let request = Arc::new(AtomicU64::new(running.request));
        let mut wasi = WasiCtx::builder();
        wasi.envs(&settings.env);
        wasi.stdout(running.output(LogStream::Stdout, &request));
        wasi.stderr(running.output(LogStream::Stderr, &request));
        Self {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            hooks: Hooks { outbound: settings.outbound.clone(), tracked: None, cut: Arc::default() },
            meter: Meter::new(&settings.limits),
            host_calls: 0,
            request,
        }
    }

    /// Breaks off what is still being sent, because nobody is left to finish it.
    pub(crate) fn cut_uploads(&self) {
        self.hooks.cut.store(true, Ordering::Release);
    }

    /// Turns to the next request.
    pub(crate) fn next(&mut self, running: &Running) {
        self.host_calls = 0;
        self.request.store(running.request, Ordering::Relaxed);
        self.hooks.tracked = Some(Arc::clone(&running.tracked));
    }

    /// Lets go of the request at hand.
    pub(crate) fn done(&mut self) {
        self.hooks.tracked = None;
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

type Sent = Result<(Response<WasiBody>, Transmission), ErrorCode>;
type Transmission = Box<dyn Future<Output = Result<(), ErrorCode>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Transmission,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let mut request = request.map(|body| Body::new(Upload { body, cut: Arc::clone(&self.cut) }));
        if let Some(options) = options {
            request.extensions_mut().insert(Timeouts {
                connect: options.connect_timeout,
                first_byte: options.first_byte_timeout,
                between_bytes: options.between_bytes_timeout,
            });
        }
        let answer = match &self.tracked {
            Some(tracked) => Arc::clone(tracked).call(request, &mut self.outbound),
            None => self.outbound.call(request),
        };
        Box::new(async move {
            let response = answer.await?.map(|body| body.into_guest().boxed_unsync());
            let transmitted: Transmission = Box::new(std::future::ready(Ok(())));
            Ok((response, transmitted))
        })
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> WasiErrorCode {
        if error.is_incomplete_message() {
            WasiErrorCode::HttpResponseIncomplete
        } else {
            WasiErrorCode::HttpProtocolError
        }
    }
}

// The store is moved between threads with its state.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<State>();
    is_send::<Pin<Box<dyn Future<Output = Sent> + Send>>>();
};
