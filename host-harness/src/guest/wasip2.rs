//! Runs components of WASI 0.2. An instance handles one request, or several in sequence.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use tracing::Instrument as _;
use wasmtime::Store;
use wasmtime::component::Linker;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode as WasiErrorCode;

use super::busy::Busy;
use super::response::ResponseDelivery;
use super::state::{InstanceState, Settings};
use super::trap::reason;
use super::{Failure, clock, linker, overdue, response};
use crate::component::Component;
use crate::message::body::Body;
use crate::message::error_code::ErrorCode;
use crate::telemetry::Running;

pub(super) struct Wasip2 {
    pre: ProxyPre<InstanceState>,
    idle: Pool,
}

/// Idle instances. The instance that was returned last is used first, because its memory is most likely still in the
/// CPU's cache.
type Pool = Arc<Mutex<Vec<Instance>>>;

/// An instance, with the store that it lives in.
struct Instance {
    store: Store<InstanceState>,
    /// `None` before the first request.
    proxy: Option<Proxy>,
    /// The number of requests that the instance may still handle, including the current one.
    left: u32,
}

impl Wasip2 {
    pub(super) fn link(component: &Component, settings: &Settings) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(component.compiled.engine());
        // Links all of WASI, because the standard libraries of languages import more interfaces than `wasi:http/proxy`
        // contains.
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        linker::add_to_linker(&mut linker)?;
        if settings.clock.is_some() {
            clock::add_to_linker(&mut linker)?;
        }
        Ok(Self { pre: ProxyPre::new(linker.instantiate_pre(&component.compiled)?)?, idle: Pool::default() })
    }

    /// Sends a request to the component, and returns as soon as the head of the response is known. The component
    /// continues in a separate task.
    pub(super) async fn handle(
        &self,
        settings: &Settings,
        request: Request<Body>,
        running: Running,
    ) -> Result<Response<Body>, Failure> {
        let instance = self.instance(settings, &running);
        let (delivery, answered) = ResponseDelivery::new();
        let worker = RequestWorker {
            pre: self.pre.clone(),
            idle: Arc::clone(&self.idle),
            instance,
            running,
            timeout: settings.limits.timeout,
            delivery,
        };
        let span = worker.instance.store.data().span();
        tokio::spawn(worker.run(request).instrument(span));
        answered.await.unwrap_or(Err(Failure::Trapped))
    }

    fn instance(&self, settings: &Settings, running: &Running) -> Instance {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut instance = idle.unwrap_or_else(|| Instance {
            store: InstanceState::store(self.pre.engine(), settings, running),
            proxy: None,
            left: settings.reuse,
        });
        instance.store.data_mut().next(running);
        if settings.fuel {
            instance.store.set_fuel(u64::MAX).expect("the engine of this store counts fuel");
        }
        instance
    }
}

/// Runs one request until the component has finished its work, which may be after the end of the response.
struct RequestWorker {
    pre: ProxyPre<InstanceState>,
    idle: Pool,
    instance: Instance,
    running: Running,
    timeout: Duration,
    delivery: Arc<ResponseDelivery>,
}

impl RequestWorker {
    async fn run(mut self, request: Request<Body>) {
        let delivery = &self.delivery;
        let busy = Busy::default();
        let outcome = {
            let mut call = pin!(busy.of(call(&self.pre, &mut self.instance, request, Arc::clone(delivery))));
            tokio::select! {
                outcome = &mut call => Some(outcome),
                () = delivery.head_overdue(self.timeout) => None,
                () = delivery.work_overdue(self.timeout) => None,
            }
        };
        let store = &self.instance.store;
        let ended_well = match outcome {
            Some(Ok(())) => {
                if delivery.fail(Failure::Trapped) {
                    self.running.trapped("the handler returned without an answer".to_owned());
                }
                true
            }
            Some(Err(error)) => {
                self.running.trapped(reason(&error, store.data().meter.exceeded_bytes()));
                delivery.fail(Failure::Trapped);
                false
            }
            None => {
                overdue(&self.running, delivery, self.timeout);
                false
            }
        };
        self.running.used(busy.lap(), InstanceState::took(store));
        self.instance.left -= 1;
        self.instance.store.data_mut().done();
        if !ended_well {
            self.instance.store.data_mut().cut_uploads();
            // Keeps the store until the response body has been read. Dropping the store drops the component's end of
            // the body as well, and a truncated body then seems complete.
            let kept: response::KeptStore = Arc::new(Mutex::new(self.instance.store));
            self.delivery.end(Some(&kept));
        } else if self.instance.left > 0 {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.instance);
        }
    }
}

async fn call(
    pre: &ProxyPre<InstanceState>,
    instance: &mut Instance,
    request: Request<Body>,
    delivery: Arc<ResponseDelivery>,
) -> wasmtime::Result<()> {
    let store = &mut instance.store;
    let proxy = match &mut instance.proxy {
        Some(proxy) => proxy,
        none => none.insert(pre.instantiate_async(&mut *store).await?),
    };
    let scheme = match request.uri().scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let mut view = store.data_mut().http();
    let request = view.new_incoming_request(scheme, request.map(Body::into_guest))?;
    let out = view.new_response_outparam_from_callback(move |answer| {
        delivery.answer(answer.map_err(|code| {
            let code = ErrorCode::from_host(code.into());
            Failure::ErrorCode(WasiErrorCode::InternalError(Some(code.to_string())))
        }));
    })?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
}
