//! The harness: one component, ready for requests.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response, header, uri};
use http_body::Body as _;
use tokio::net::ToSocketAddrs;
use tokio::sync::broadcast;

use crate::cargo::{self, Progress};
use crate::chain;
use crate::config::Config;
use crate::engine::Purpose;
use crate::environment::check_variable;
use crate::guest::Settings;
use crate::inbound::Inbound;
use crate::message::body::Body;
use crate::outbound::framed::framed;
use crate::telemetry::{Observer, Recorder};
use crate::{
    Call, Clock, Component, Description, Error, Event, KeyValue, Limits, LogEntry, Outbound, ServerBuilder, Trap, Usage,
};

/// One component, ready for requests in process or over a socket.
///
/// Each request gets a new instance, unless [`HarnessBuilder::reuse`] is set.
pub struct Harness {
    inbound: Inbound,
    recorder: Recorder,
    description: Description,
    origin: Origin,
}

impl Harness {
    /// Starts with a crate: builds it with cargo (release, `wasm32-wasip2`) and loads the component.
    ///
    /// Each directory is built once per process.
    #[must_use = "await the builder to get a harness"]
    pub fn build(dir: impl Into<PathBuf>) -> HarnessBuilder {
        HarnessBuilder::new(Source::Crate(dir.into()))
    }

    /// Starts with a component file.
    #[must_use = "await the builder to get a harness"]
    pub fn load(wasm: impl Into<PathBuf>) -> HarnessBuilder {
        HarnessBuilder::new(Source::File(wasm.into()))
    }

    /// Starts with a crate or a component file, depending on the path.
    #[must_use = "await the builder to get a harness"]
    pub fn open(path: impl Into<PathBuf>) -> HarnessBuilder {
        let path = path.into();
        if path.is_dir() { Self::build(path) } else { Self::load(path) }
    }

    /// Sends one request to the component, in process, and returns at the head of its response.
    ///
    /// A target without scheme and authority gets `http` and `localhost`; a body of known length gets a
    /// `content-length`. There is always a response: a trap becomes 500, a time-out 504.
    pub async fn request<B: Into<Body>>(&self, request: Request<B>) -> Response<Body> {
        let mut request = request.map(Into::into);
        if request.uri().authority().is_none() && !request.headers().contains_key(header::HOST) {
            let mut parts = request.uri().clone().into_parts();
            parts.scheme = Some(uri::Scheme::HTTP);
            parts.authority = Some(uri::Authority::from_static("localhost"));
            if let Ok(uri) = http::Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
        let length = request.body().size_hint().exact().filter(|length| *length > 0);
        if let Some(length) = length
            && !request.headers().contains_key(header::TRANSFER_ENCODING)
        {
            request.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        self.inbound.handle(request).await
    }

    /// Serves the component over a socket, once the builder is awaited. Port 0 selects a free one; [`Server::addr`]
    /// returns it.
    ///
    /// # Errors
    ///
    /// Awaiting it fails if the harness cannot listen on the address.
    ///
    /// [`Server::addr`]: crate::Server::addr
    pub fn serve<'a>(&self, addr: impl ToSocketAddrs + fmt::Display + Send + 'a) -> ServerBuilder<'a> {
        ServerBuilder::new(addr, self.inbound.clone())
    }

    /// Returns the description of the component.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Waits until no instance runs. An instance may continue after the response has been read.
    pub async fn idle(&self) {
        self.recorder.idle().await;
    }

    /// Returns the number of instances so far.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.recorder.instances()
    }

    /// Returns the number of requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.recorder.requests()
    }

    /// Returns the output of the component on stdout and stderr: the newest 10 000 entries, at most 16 MiB.
    #[must_use]
    pub fn logs(&self) -> Vec<LogEntry> {
        self.recorder.logs()
    }

    /// Returns the output of the component as one text.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.logs().into_iter().map(|entry| entry.text).collect()
    }

    /// Returns the traps: the newest 10 000.
    #[must_use]
    pub fn traps(&self) -> Vec<Trap> {
        self.recorder.traps()
    }

    /// Returns the finished outbound calls: the newest 10 000.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.recorder.calls()
    }

    /// Subscribes to events from now on. Each event copies headers.
    ///
    /// A reader that is more than 4096 events behind misses the oldest, and gets an error that says so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.recorder.events()
    }

    /// The component with its settings.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The telemetry of the component.
    pub(crate) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Returns the usage of each finished request, including memory and fuel: the newest 10 000.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage> {
        self.recorder.usage()
    }

    /// Returns the largest memory of an instance, of the component or of its middleware, in bytes: the largest of
    /// [`usage`](Self::usage), or 0 without entries. Await [`idle`](Self::idle) first.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.usage().iter().map(|usage| usage.memory_bytes).max().unwrap_or_default()
    }

    /// Returns the fuel of the newest finished request, about one unit per instruction, of the component and its
    /// middleware together. Await [`idle`](Self::idle) first.
    ///
    /// Returns `None` before the first request is finished, and without [`HarnessBuilder::count_fuel`].
    #[must_use]
    pub fn fuel(&self) -> Option<u64> {
        let usage = self.usage();
        let newest = usage.last()?.request;
        usage.iter().filter(|usage| usage.request == newest).map(|usage| usage.fuel).sum()
    }
}

/// The source of a harness, to open it again.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) target: PathBuf,
    pub(crate) is_crate: bool,
    pub(crate) features: Vec<String>,
    pub(crate) middleware: Vec<PathBuf>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) config: Vec<(String, String)>,
}

impl Harness {
    /// Responds to the requests of a server.
    pub(crate) fn inbound(&self) -> Inbound {
        self.inbound.clone()
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("description", &self.description).finish_non_exhaustive()
    }
}

/// Makes a [`Harness`] when it is awaited.
#[derive(Clone, Debug)]
pub struct HarnessBuilder {
    source: Source,
    features: Vec<String>,
    middleware: Vec<PathBuf>,
    env: Vec<(String, String)>,
    config: Vec<(String, String)>,
    keyvalue: KeyValue,
    outbound: Outbound,
    limits: Limits,
    count_fuel: bool,
    reuse: u32,
    at_once: u32,
    seed: Option<u64>,
    clock: Option<Clock>,
    pass_on_output: bool,
    observer: Option<Observer>,
    capture_bytes: usize,
    progress: Progress,
}

#[derive(Clone, Debug)]
enum Source {
    Crate(PathBuf),
    File(PathBuf),
}

impl HarnessBuilder {
    fn new(source: Source) -> Self {
        Self {
            source,
            features: Vec::new(),
            middleware: Vec::new(),
            env: Vec::new(),
            config: Vec::new(),
            keyvalue: KeyValue::memory(),
            outbound: Outbound::deny(),
            limits: Limits::default(),
            count_fuel: false,
            reuse: 1,
            at_once: 1,
            seed: None,
            clock: None,
            pass_on_output: false,
            observer: None,
            capture_bytes: 0,
            progress: Progress::Hidden,
        }
    }

    /// Builds the crate with these cargo features in addition to the default ones: `NAME`, or `DEPENDENCY/NAME` for a
    /// feature of a dependency, such as `wayside/wasip3`. Awaiting the builder fails for a component file, which is
    /// already built.
    pub fn features<F: Into<String>>(mut self, features: impl IntoIterator<Item = F>) -> Self {
        self.features.extend(features.into_iter().map(Into::into));
        self
    }

    /// Adds middleware in front of the component, behind earlier middleware: the first is the outermost. The path names
    /// a component file, or a crate, which is built with its default features.
    ///
    /// Middleware imports and exports `wasi:http/handler@0.3`. It gets the same environment, outbound calls and limits
    /// as the component, which may be of WASI 0.2 or 0.3. Output and usage of all are recorded under the number of the
    /// one request.
    pub fn middleware(mut self, target: impl Into<PathBuf>) -> Self {
        self.middleware.push(target.into());
        self
    }

    /// Sets an environment variable of the component, which gets no others. The last value of a name counts.
    ///
    /// Awaiting the builder fails if [`check_variable`](crate::check_variable) rejects the variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        set(&mut self.env, name.into(), value.into());
        self
    }

    /// Sets a value of `wasi:config`. The last value of a name counts.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        set(&mut self.config, name.into(), value.into());
        self
    }

    /// Sets the store of `wasi:keyvalue`. The default is a new store in memory.
    pub fn keyvalue(mut self, store: KeyValue) -> Self {
        self.keyvalue = store;
        self
    }

    /// Sets the service for outbound calls. By default they are denied.
    pub fn outbound(mut self, outbound: impl Into<Outbound>) -> Self {
        self.outbound = outbound.into();
        self
    }

    /// Sets the resource limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how many requests an instance takes before it is replaced. The default is 1, which isolates requests. An
    /// instance that trapped is never used again.
    pub fn reuse(mut self, requests: u32) -> Self {
        self.reuse = requests.max(1);
        self
    }

    /// Sets how many requests an instance works on at the same time. The default is 1, which isolates requests: a trap
    /// ends all requests in flight on its instance.
    ///
    /// Only components of WASI 0.3 support this, and [`reuse`](Self::reuse) must allow as many. With fuel, requests run
    /// in sequence, because fuel is counted per instance.
    pub fn at_once(mut self, requests: u32) -> Self {
        self.at_once = requests.max(1);
        self
    }

    /// Seeds the random numbers of the component (`wasi:random`). An instance gets the same numbers for the same seed
    /// and the same number of its first request. Another version of this crate may give others.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the clock of the component (`wasi:clocks`): time of day, monotonic clock, and timers.
    ///
    /// Limits of the host use real time: [`Limits::timeout`], and the time limits of outbound calls that the host
    /// enforces.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// Counts fuel, about one unit per instruction, which makes the component slower; see [`Harness::usage`].
    pub fn count_fuel(mut self) -> Self {
        self.count_fuel = true;
        self
    }

    /// Also writes the component's output to this process's stderr.
    pub fn pass_on_output(mut self) -> Self {
        self.pass_on_output = true;
        self
    }

    /// Calls a function with every event, synchronously. Unlike [`Harness::events`] it misses none, and it delays the
    /// request.
    ///
    /// The headers of messages are present only if there is a subscriber as well.
    pub fn observe(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Captures so many bytes of each body: of requests, responses and outbound calls. They are in the
    /// [events](Harness::events), and on the page of [`inspector`](Harness::inspector). By default none are captured.
    pub fn capture_bodies(mut self, limit_bytes: usize) -> Self {
        self.capture_bytes = limit_bytes;
        self
    }

    /// Shows cargo's progress on stderr while a crate is built.
    pub fn show_progress(mut self) -> Self {
        self.progress = Progress::Shown;
        self
    }

    /// Checks the settings that need no component.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.env.iter().try_for_each(|(name, value)| check_variable(name, value))
    }

    /// Links a component behind the middleware in the list, and connects them to a recorder.
    pub(crate) fn open(self, components: &[Component], recorder: Recorder) -> Result<Harness, Error> {
        let origin = self.origin();
        let [component, middleware @ ..] = components else { return Err(Error::new("there is no component")) };
        let settings = Settings {
            env: self.env,
            config: Config::new(self.config),
            keyvalue: self.keyvalue,
            outbound: framed(self.outbound),
            limits: self.limits,
            fuel: self.count_fuel,
            reuse: self.reuse,
            at_once: self.at_once,
            seed: self.seed,
            clock: self.clock,
        };
        let guest = Arc::new(chain::link(component, middleware, settings, &recorder)?);
        let inbound = Inbound::new(move |request| {
            let guest = Arc::clone(&guest);
            async move { guest.handle(request).await }
        });
        Ok(Harness { inbound, recorder, description: component.description().clone(), origin })
    }

    /// The component and its middleware, outermost first: each a file or the directory of a crate, with the features to
    /// build it with.
    pub(crate) fn parts(&self) -> Vec<(PathBuf, Vec<String>)> {
        let (Source::Crate(target) | Source::File(target)) = &self.source;
        let middleware = self.middleware.iter().map(|target| (target.clone(), Vec::new()));
        std::iter::once((target.clone(), self.features.clone())).chain(middleware).collect()
    }

    pub(crate) fn origin(&self) -> Origin {
        let (target, is_crate) = match &self.source {
            Source::Crate(dir) => (dir.clone(), true),
            Source::File(file) => (file.clone(), false),
        };
        Origin {
            target,
            is_crate,
            features: self.features.clone(),
            middleware: self.middleware.clone(),
            env: self.env.clone(),
            config: self.config.clone(),
        }
    }

    #[cfg(feature = "live")]
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    pub(crate) fn purpose(&self) -> Purpose {
        if self.count_fuel { Purpose::CountFuel } else { Purpose::Serve }
    }

    /// Makes a recorder for the component, or for successive versions of it.
    pub(crate) fn recorder(&self) -> Recorder {
        Recorder::new(self.pass_on_output, self.observer.clone()).capturing(self.capture_bytes)
    }
}

impl IntoFuture for HarnessBuilder {
    type Output = Result<Harness, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Harness, Error>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.check()?;
            let mut components = Vec::new();
            for (target, features) in self.parts() {
                let file = cargo::find_or_build(target, &features, self.progress).await?;
                components.push(load(file, self.purpose()).await?);
            }
            let recorder = self.recorder();
            self.open(&components, recorder)
        })
    }
}

fn set(values: &mut Vec<(String, String)>, name: String, value: String) {
    values.retain(|(other, _)| *other != name);
    values.push((name, value));
}

/// Compiles on its own thread, because it takes a while.
async fn load(path: PathBuf, purpose: Purpose) -> Result<Component, Error> {
    let compile = move || Component::load_for(Path::new(&path), purpose);
    match tokio::task::spawn_blocking(compile).await {
        Ok(component) => component,
        Err(panic) => Err(Error::new("the compiler of the component panicked").with_source(panic)),
    }
}
