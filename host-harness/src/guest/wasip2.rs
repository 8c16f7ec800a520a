//! Components of WASI 0.2: an instance for each request, or for several, one after the other.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::sleep;
use wasmtime::component::Linker;
use wasmtime::{CallHook, Store, Trap, WasmBacktrace};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode as WasiErrorCode, Scheme};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::Failure;
use super::state::{Settings, State};
use crate::Body;
use crate::body::BodyError;
use crate::component::Component;
use crate::telemetry::Running;

pub(super) struct Wasip2 {
    pre: ProxyPre<State>,
    idle: Pool,
}

/// Instances that can take another request; the last one in is the first one out, because its memory is still warm.
type Pool = Arc<Mutex<Vec<Instance>>>;

/// An instance, which lives as long as its store.
struct Instance {
    store: Store<State>,
    /// Missing before the first request.
    proxy: Option<Proxy>,
    /// How many requests it can still take, with the one at hand.
    left: u32,
}

/// What the component put into its `response-outparam`.
type Answer = Result<Response<Body>, WasiErrorCode>;

impl Wasip2 {
    pub(super) fn link(component: &Component) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(component.compiled.engine());
        // All of WASI, because the standard libraries of languages import more than `wasi:http/proxy` has.
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        Ok(Self { pre: ProxyPre::new(linker.instantiate_pre(&component.compiled)?)?, idle: Pool::default() })
    }

    /// Runs a request, and answers at the head of the response; the component goes on by itself.
    pub(super) async fn handle(
        &self,
        settings: &Settings,
        request: Request<Body>,
        running: Running,
    ) -> Result<Response<Body>, Failure> {
        let instance = self.instance(settings, &running);
        let (answer, answered) = oneshot::channel();
        let end = Arc::new(End::default());
        let worker = Worker {
            pre: self.pre.clone(),
            idle: Arc::clone(&self.idle),
            instance,
            running,
            timeout: settings.limits.timeout,
            end: Arc::clone(&end),
        };
        tokio::spawn(worker.run(request, answer));
        match answered.await {
            Ok(Answered::Head(Ok(response))) => Ok(response),
            Ok(Answered::Head(Err(code))) => Err(Failure::ErrorCode(format!("{code}"))),
            Ok(Answered::TimedOut) => Err(Failure::TimedOut),
            Ok(Answered::Trapped) | Err(_) => Err(Failure::Trapped),
        }
    }

    fn instance(&self, settings: &Settings, running: &Running) -> Instance {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut instance = idle.unwrap_or_else(|| Instance {
            store: self.store(settings, running),
            proxy: None,
            left: settings.reuse,
        });
        instance.store.data_mut().next(running);
        if settings.fuel {
            instance.store.set_fuel(u64::MAX).expect("the engine of this store counts fuel");
        }
        instance
    }

    fn store(&self, settings: &Settings, running: &Running) -> Store<State> {
        running.instantiated();
        let mut store = Store::new(self.pre.engine(), State::new(settings, running));
        store.limiter(|state| &mut state.meter);
        if settings.fuel {
            store.call_hook(|mut cx, hook| {
                if matches!(hook, CallHook::CallingHost) {
                    cx.data_mut().host_calls += 1;
                }
                Ok(())
            });
        }
        // A busy component gives way to others at each epoch, which is also when its deadline is seen.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

enum Answered {
    Head(Answer),
    Trapped,
    TimedOut,
}

/// Runs one instance to its end, beyond the end of the response if it has more to do.
struct Worker {
    pre: ProxyPre<State>,
    idle: Pool,
    instance: Instance,
    running: Running,
    timeout: Duration,
    end: Arc<End>,
}

/// Where the one that tells of the answer is kept, shared between the host function and the worker.
type AnswerSlot = Arc<Mutex<Option<oneshot::Sender<Answered>>>>;

fn tell(slot: &AnswerSlot, answered: Answered) -> bool {
    match slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // The receiver is gone when the client is.
        Some(answer) => {
            let _ = answer.send(answered);
            true
        }
        None => false,
    }
}

impl Worker {
    async fn run(mut self, request: Request<Body>, answer: oneshot::Sender<Answered>) {
        let slot: AnswerSlot = Arc::new(Mutex::new(Some(answer)));
        let end = Arc::clone(&self.end);
        let mut busy = Duration::ZERO;
        let outcome = {
            let call = call(&self.pre, &mut self.instance, request, Arc::clone(&slot), Arc::clone(&end));
            let mut call = pin!(timed(call, &mut busy));
            tokio::select! {
                outcome = &mut call => Some(outcome),
                () = end.head_overdue(self.timeout) => None,
                () = end.work_overdue(self.timeout) => None,
            }
        };
        let store = &self.instance.store;
        let memory = store.data().meter.peak_bytes();
        let host_calls = store.data().host_calls;
        let fuel = store.get_fuel().ok().map(|left| u64::MAX - left);
        let ended_well = match outcome {
            Some(Ok(())) => {
                if tell(&slot, Answered::Trapped) {
                    self.running.trapped("the handler returned without an answer".to_owned());
                }
                true
            }
            Some(Err(error)) => {
                self.running.trapped(reason(&error, store));
                tell(&slot, Answered::Trapped);
                false
            }
            None => {
                self.running.trapped(format!("it took longer than its limit of {:?}", self.timeout));
                tell(&slot, Answered::TimedOut);
                false
            }
        };
        self.running.used(busy, memory, fuel, host_calls);
        self.instance.left -= 1;
        self.instance.store.data_mut().done();
        if !ended_well {
            self.instance.store.data().cut_uploads();
            // The body of a response that was cut short is told from a whole one by its writer, which lives in the store.
            end.set_failed(self.instance.store);
        } else if self.instance.left > 0 {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.instance);
        }
    }
}

async fn call(
    pre: &ProxyPre<State>,
    instance: &mut Instance,
    request: Request<Body>,
    slot: AnswerSlot,
    end: Arc<End>,
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
        end.head_sent();
        // Made here, so that the worker learns that nobody reads the body also where nobody gets the head.
        let reader = BodyEnd(end);
        let answer =
            answer.map(|response| response.map(|body| Body::new(GuestBody { body, end: Some(reader), error: None })));
        tell(&slot, Answered::Head(answer));
    })?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
}

/// Adds up how long a future works, and not how long it waits.
async fn timed<F: Future>(future: F, busy: &mut Duration) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let start = Instant::now();
        let polled = future.as_mut().poll(cx);
        *busy += start.elapsed();
        polled
    })
    .await
}

/// What a trap was, for people: the cause, a hint, and where in the component.
fn reason(error: &wasmtime::Error, store: &Store<State>) -> String {
    let mut reason = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it reached an `unreachable` instruction, as after a panic".to_owned(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if let Some(limit) = store.data().meter.exceeded_bytes() {
        reason.push_str(&format!("; it had asked for more than its {limit} bytes of memory"));
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>()
        && !backtrace.frames().is_empty()
    {
        reason.push_str(&format!("\n{backtrace}"));
    }
    reason
}

/// How far an exchange has come, between its worker and the body of its response.
#[derive(Default)]
struct End {
    state: Mutex<EndState>,
    changed: tokio::sync::Notify,
}

#[derive(Default)]
struct EndState {
    head_sent: bool,
    body_gone: bool,
    /// The store of an instance that ended badly. Dropped, it would make its body end as if it were whole.
    failed: Option<Store<State>>,
    reader: Option<Waker>,
}

impl End {
    fn lock(&self) -> std::sync::MutexGuard<'_, EndState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head_sent(&self) {
        self.lock().head_sent = true;
        self.changed.notify_waiters();
    }

    fn set_failed(&self, store: Store<State>) {
        let mut state = self.lock();
        if state.body_gone || !state.head_sent {
            return;
        }
        state.failed = Some(store);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Completes when the head has not been sent in time, and never otherwise.
    async fn head_overdue(&self, limit: Duration) {
        sleep(limit).await;
        if self.lock().head_sent {
            std::future::pending::<()>().await;
        }
    }

    /// Completes when the component goes on for too long after its body has been read or given up.
    async fn work_overdue(&self, limit: Duration) {
        let mut changed = pin!(self.changed.notified());
        loop {
            changed.as_mut().enable();
            if self.lock().body_gone {
                break;
            }
            changed.as_mut().await;
            changed.set(self.changed.notified());
        }
        sleep(limit).await;
    }
}

/// The body of a response, which breaks off where the instance that wrote it ended badly.
struct GuestBody {
    body: HyperOutgoingBody,
    end: Option<BodyEnd>,
    /// An error that is about to be told.
    error: Option<BodyError>,
}

impl GuestBody {
    /// Keeps an error back for one turn, in which the server sends what it has of the response.
    fn break_off(&mut self, error: BodyError, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.error = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Tells the worker when nobody reads the body any more.
struct BodyEnd(Arc<End>);

impl Drop for BodyEnd {
    fn drop(&mut self) {
        let failed = {
            let mut state = self.0.lock();
            state.body_gone = true;
            state.failed.take()
        };
        self.0.changed.notify_waiters();
        drop(failed);
    }
}

impl HttpBody for GuestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(None) => {
                this.end = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Err(error))) => this.break_off(error.into(), cx),
            Poll::Pending => {
                let Some(BodyEnd(end)) = &this.end else {
                    return Poll::Pending;
                };
                let mut state = end.lock();
                if state.failed.is_some() {
                    // What was written has been read, and the writer is still there: it never finished.
                    drop(state);
                    return this.break_off("the component ended before its response did".into(), cx);
                }
                state.reader = Some(cx.waker().clone());
                Poll::Pending
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
