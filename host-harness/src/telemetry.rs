//! Records requests: output, traps, calls and usage.

mod capture;
mod exchange;
mod output;
mod records;
mod tracked;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, Request};
use tokio::sync::{broadcast, watch};

use crate::inbound::Client;
use crate::limits::Turn;
use crate::message::body::Body;
use records::Records;

pub use capture::Capture;
pub(crate) use exchange::declared_bytes;
pub use exchange::{BodyEnd, Event, Exchange, OutboundCall};
pub(crate) use output::Output;
pub(crate) use tracked::Tracked;

/// A piece of a component's output.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// The number of the request, counted from 1.
    pub request: u64,
    /// The stream that the component wrote the text to.
    pub stream: LogStream,
    /// The text; most programs write whole lines.
    pub text: String,
}

/// The two streams that a component can write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A failure that ended the instance of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trap {
    /// The number of the request, counted from 1.
    pub request: u64,
    /// The name of the component: its file name without extension.
    pub component: String,
    /// The cause, with the component's backtrace if there is one.
    pub reason: String,
}

/// The usage of one component for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The number of the request, counted from 1.
    pub request: u64,
    /// The largest memory of the instance, in bytes.
    pub memory_bytes: usize,
    /// The number of fuel units, about one per instruction, if the harness counts fuel.
    pub fuel: Option<u64>,
    /// The number of host calls, if the harness counts fuel.
    pub host_calls: Option<u64>,
}

impl Usage {
    /// Adds the usage of another component for the same request.
    fn and(self, other: Self) -> Self {
        let both = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        Self {
            request: self.request,
            memory_bytes: self.memory_bytes + other.memory_bytes,
            fuel: both(self.fuel, other.fuel),
            host_calls: both(self.host_calls, other.host_calls),
        }
    }
}

/// A function that is called with every event, synchronously.
#[derive(Clone)]
pub(crate) struct Observer(pub(crate) Arc<dyn Fn(&Event) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// A request extension: the number of the request that this one repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resent(pub(crate) u64);

/// Records the requests of one harness.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    records: Arc<Mutex<Records>>,
    running: watch::Sender<usize>,
    events: broadcast::Sender<Event>,
    observer: Option<Observer>,
    /// Whether the output of components is also written to this process's stderr.
    pass_on: bool,
    /// How many bytes of each body are captured.
    capture_bytes: usize,
}

/// How many events a subscriber may be behind before it misses some.
const EVENTS: usize = 4096;

impl Recorder {
    pub(crate) fn new(pass_on: bool, observer: Option<Observer>) -> Self {
        Self {
            records: Arc::default(),
            running: watch::Sender::new(0),
            events: broadcast::Sender::new(EVENTS),
            observer,
            pass_on,
            capture_bytes: 0,
        }
    }

    /// Sets how many bytes of each body are captured.
    pub(crate) fn capturing(mut self, bytes: usize) -> Self {
        self.capture_bytes = bytes;
        self
    }

    /// Numbers a request, and counts it as running until the returned value is dropped.
    pub(crate) fn start(&self, request: &Request<Body>, component: &Arc<str>) -> Running {
        let number = {
            let mut records = self.lock();
            records.requests += 1;
            records.requests
        };
        let exchange = Exchange {
            request: number,
            started: SystemTime::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            request_headers: self.headers(request.headers()),
            request_body: Capture::of_request(request, self.capture_bytes),
            resent: request.extensions().get::<Resent>().map(|resent| resent.0),
            status: None,
            response_headers: HeaderMap::new(),
            response_body: Capture::up_to(self.capture_bytes),
            head_after: None,
            end_after: None,
            duration: Duration::ZERO,
            response_bytes: 0,
            end: None,
            busy: Duration::ZERO,
            calls: 0,
            calls_took: Duration::ZERO,
            usage: None,
            trap: None,
            client_fault: None,
        };
        self.tell(|| Event::Started(Box::new(exchange.clone())));
        let client = request.extensions().get::<Arc<Client>>().cloned();
        let tracked = Arc::new(Tracked {
            request: number,
            started: Instant::now(),
            exchange: Mutex::new(exchange),
            recorder: self.clone(),
            client,
        });
        if let Some(client) = &tracked.client {
            let tracked = Arc::downgrade(&tracked);
            client.named_by(move || Some(tracked.upgrade()?.name()));
        }
        Running::beside(tracked, component)
    }

    /// Subscribes to events from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Sends an event to the observer and the subscribers. If there are none, the event is not created.
    fn tell(&self, event: impl FnOnce() -> Event) {
        let subscribed = self.events.receiver_count() > 0;
        if self.observer.is_none() && !subscribed {
            return;
        }
        let event = event();
        if let Some(Observer(observe)) = &self.observer {
            observe(&event);
        }
        if subscribed {
            // Sending fails if the last subscriber has gone in the meantime.
            let _ = self.events.send(event);
        }
    }

    /// Copies the headers of a message, if there is a subscriber.
    fn headers(&self, headers: &HeaderMap) -> HeaderMap {
        if self.events.receiver_count() > 0 { headers.clone() } else { HeaderMap::new() }
    }

    fn log(&self, request: u64, stream: LogStream, text: String) {
        self.tell(|| Event::Wrote(LogEntry { request, stream, text: text.clone() }));
        self.lock().log(request, stream, text);
    }

    pub(crate) async fn idle(&self) {
        let mut running = self.running.subscribe();
        // The sender is in this recorder, so the wait cannot fail.
        let _ = running.wait_for(|running| *running == 0).await;
    }

    pub(crate) fn instances(&self) -> u64 {
        self.lock().instances
    }

    pub(crate) fn requests(&self) -> u64 {
        self.lock().requests
    }

    pub(crate) fn logs(&self) -> Vec<LogEntry> {
        self.lock().logs.all()
    }

    pub(crate) fn traps(&self) -> Vec<Trap> {
        self.lock().traps.all()
    }

    pub(crate) fn usage(&self) -> Vec<Usage> {
        self.lock().usage.all()
    }

    pub(crate) fn calls(&self) -> Vec<OutboundCall> {
        self.lock().calls.all()
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The resources that an instance used for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) memory_bytes: usize,
    pub(crate) fuel: Option<u64>,
    pub(crate) host_calls: Option<u64>,
}

/// A request that a component works on. The request counts as running until this value is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) request: u64,
    pub(crate) tracked: Arc<Tracked>,
    /// The name of the component.
    component: Arc<str>,
    /// The permission to run. Dropping it admits the next waiting request.
    turn: Option<Turn>,
}

impl Running {
    /// Counts another component as running for the same request.
    pub(crate) fn beside(tracked: Arc<Tracked>, component: &Arc<str>) -> Self {
        tracked.recorder.running.send_modify(|running| *running += 1);
        Self { request: tracked.request, tracked, component: Arc::clone(component), turn: None }
    }

    pub(crate) fn with_turn(mut self, turn: Turn) -> Self {
        self.turn = Some(turn);
        self
    }

    /// Makes an output stream for an instance. `request` is the number of the request that the instance works on.
    pub(crate) fn output(&self, stream: LogStream, request: &Arc<AtomicU64>) -> Output {
        Output::new(Arc::clone(request), stream, self.tracked.recorder.clone())
    }

    pub(crate) fn instantiated(&self) {
        self.tracked.recorder.lock().instances += 1;
    }

    pub(crate) fn trapped(&self, reason: String) {
        let recorder = &self.tracked.recorder;
        tracing::error!(request = self.request, "the component `{}` trapped: {reason}", self.component);
        self.tracked.lock().trap = Some(reason.clone());
        let trap = Trap { request: self.request, component: self.component.as_ref().to_owned(), reason };
        recorder.tell(|| Event::Trapped(trap.clone()));
        recorder.lock().traps.push(trap);
    }

    /// Records the resources that the component used. `busy` is the time that it computed, without waiting.
    pub(crate) fn used(&self, busy: Duration, took: Took) {
        let Took { memory_bytes, fuel, host_calls } = took;
        let usage = Usage { request: self.request, memory_bytes, fuel, host_calls };
        {
            let mut exchange = self.tracked.lock();
            exchange.usage = Some(exchange.usage.map_or(usage, |others| others.and(usage)));
            exchange.busy += busy;
        }
        self.tracked.recorder.lock().usage.push(usage);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tracked.recorder.running.send_modify(|running| *running -= 1);
    }
}
