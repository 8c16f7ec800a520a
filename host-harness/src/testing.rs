//! The harness itself: one component, ready for requests.

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

/// One component, ready to answer requests: in process, or over a socket.
///
/// Each request gets an instance of its own, unless [`HarnessBuilder::reuse`] says otherwise.
pub struct Harness {
    inbound: Inbound,
    recorder: Recorder,
    description: Description,
    origin: Origin,
}

impl Harness {
    /// Starts from a crate directory: builds it with cargo (release, `wasm32-wasip2`) and loads what comes out.
    ///
    /// The same directory is built once a process, however many tests ask for it.
    #[must_use = "await the builder to get a harness"]
    pub fn build(dir: impl Into<PathBuf>) -> HarnessBuilder {
        HarnessBuilder::new(Source::Crate(dir.into()))
    }

    /// Starts from a component in a file.
    #[must_use = "await the builder to get a harness"]
    pub fn load(wasm: impl Into<PathBuf>) -> HarnessBuilder {
        HarnessBuilder::new(Source::File(wasm.into()))
    }

    /// Starts from a crate directory or a file, whichever the path names.
    #[must_use = "await the builder to get a harness"]
    pub fn open(path: impl Into<PathBuf>) -> HarnessBuilder {
        let path = path.into();
        if path.is_dir() { Self::build(path) } else { Self::load(path) }
    }

    /// Sends one request to the component, in process, and answers at the head of its response.
    ///
    /// A target without scheme and authority gets `http` and `localhost`, a body of known length its `content-length`. Whatever the component does there is a
    /// response: one that traps is answered with 500, one that takes too long with 504.
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

    /// Serves the component over a socket, once the builder is awaited. Port 0 takes a free one; [`Server::addr`] tells which.
    ///
    /// # Errors
    ///
    /// Awaiting it fails if the address cannot be listened on.
    ///
    /// [`Server::addr`]: crate::Server::addr
    pub fn serve<'a>(&self, addr: impl ToSocketAddrs + fmt::Display + Send + 'a) -> ServerBuilder<'a> {
        ServerBuilder::new(addr, self.inbound.clone())
    }

    /// What the component is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Waits until no instance runs: they may go on after the response has been read.
    pub async fn idle(&self) {
        self.recorder.idle().await;
    }

    /// How many instances were made so far.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.recorder.instances()
    }

    /// How many requests the component was given so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.recorder.requests()
    }

    /// What the component wrote to stdout and stderr so far: the newest 10 000 entries, of 16 MiB at most.
    #[must_use]
    pub fn logs(&self) -> Vec<LogEntry> {
        self.recorder.logs()
    }

    /// All that the component wrote so far, as one text.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.logs().into_iter().map(|entry| entry.text).collect()
    }

    /// The requests that ended their instance so far, the newest 10 000.
    #[must_use]
    pub fn traps(&self) -> Vec<Trap> {
        self.recorder.traps()
    }

    /// The calls that the component made to others so far and that came to their end, the newest 10 000.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.recorder.calls()
    }

    /// What happens from now on, as it happens. The fields of messages are among it, which cost a copy each.
    ///
    /// A reader that is more than 4096 events behind misses the oldest, and is told so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.recorder.events()
    }

    /// The component with the settings that it was made with.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What tells of the component's requests.
    pub(crate) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// What each finished request took, memory and fuel among it, the newest 10 000.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage> {
        self.recorder.usage()
    }

    /// The most memory that one instance had at once, of the component or of middleware in front of it, in bytes: the largest
    /// of [`usage`](Self::usage), and 0 where it is empty. Await [`idle`](Self::idle) first.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.usage().iter().map(|usage| usage.memory_bytes).max().unwrap_or_default()
    }

    /// The fuel that the newest finished request took, about one unit an instruction, of the component and of middleware in
    /// front of it together. Await [`idle`](Self::idle) first.
    ///
    /// There is none before the first request is finished, and without [`HarnessBuilder::count_fuel`].
    #[must_use]
    pub fn fuel(&self) -> Option<u64> {
        let usage = self.usage();
        let newest = usage.last()?.request;
        usage.iter().filter(|usage| usage.request == newest).map(|usage| usage.fuel).sum()
    }
}

/// What a harness was opened from, so that somebody can do it again.
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
    /// What the requests of a server go to.
    pub(crate) fn inbound(&self) -> Inbound {
        self.inbound.clone()
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("description", &self.description).finish_non_exhaustive()
    }
}

/// Makes a [`Harness`]; awaiting it does.
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

    /// Builds the crate with these cargo features on top of the default ones: `NAME`, or `DEPENDENCY/NAME` for one of a
    /// dependency, as `wayside/wasip3`. A component in a file is built already, and awaiting the builder fails.
    pub fn features<F: Into<String>>(mut self, features: impl IntoIterator<Item = F>) -> Self {
        self.features.extend(features.into_iter().map(Into::into));
        self
    }

    /// Puts middleware in front of the component, behind that which is there already: the first is the outermost. A path
    /// names a file, or the directory of a crate, which is built with its default features.
    ///
    /// Middleware imports and exports `wasi:http/handler@0.3`. It gets the same environment, outbound calls and limits as
    /// the component, which can be of WASI 0.2 or 0.3. What they write and take is recorded under the number of the one
    /// request that they all work on.
    pub fn middleware(mut self, target: impl Into<PathBuf>) -> Self {
        self.middleware.push(target.into());
        self
    }

    /// Sets an environment variable of the component. It sees none but these; the last value of a name counts.
    ///
    /// Building the harness fails if [`check_variable`](crate::check_variable) refuses the variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        set(&mut self.env, name.into(), value.into());
        self
    }

    /// Sets what the component finds under a name in `wasi:config`; the last value of a name counts.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        set(&mut self.config, name.into(), value.into());
        self
    }

    /// Sets what the component uses as `wasi:keyvalue`; by default a store in memory of its own.
    pub fn keyvalue(mut self, store: KeyValue) -> Self {
        self.keyvalue = store;
        self
    }

    /// Sets who answers outbound calls; by default they are denied.
    pub fn outbound(mut self, outbound: impl Into<Outbound>) -> Self {
        self.outbound = outbound.into();
        self
    }

    /// Sets what a request may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how many requests an instance takes before it is replaced; 1 by default, which keeps them apart. An instance
    /// that trapped is never used again.
    pub fn reuse(mut self, requests: u32) -> Self {
        self.reuse = requests.max(1);
        self
    }

    /// Sets how many of its requests an instance works on at the same time; 1 by default, which keeps what one does from
    /// the others: a trap ends all that are in flight on its instance.
    ///
    /// Only components of WASI 0.3 can do it, and only where [`reuse`](Self::reuse) lets an instance have as many. Where
    /// fuel is counted, requests go one after the other, because it is counted for an instance.
    pub fn at_once(mut self, requests: u32) -> Self {
        self.at_once = requests.max(1);
        self
    }

    /// Makes the random numbers of the component (`wasi:random`) come from a seed: the same seed gives an instance the same
    /// numbers, if the first request that it takes has the same number. Another version of this crate may give others.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the clock that the component sees (`wasi:clocks`), the time of day and the monotonic one, and that its sleeps
    /// wait for.
    ///
    /// What the host itself limits goes on by the real time: [`Limits::timeout`], and the time limits of outbound calls
    /// that a component leaves to the host.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// Counts fuel, about one unit an instruction, which makes the component slower; see [`Harness::usage`].
    pub fn count_fuel(mut self) -> Self {
        self.count_fuel = true;
        self
    }

    /// Passes what the component writes on to this process's stderr, as well as recording it.
    pub fn pass_on_output(mut self) -> Self {
        self.pass_on_output = true;
        self
    }

    /// Calls a function with all that happens, before anything else does. Unlike [`Harness::events`] it misses nothing, and
    /// what it takes, the request takes as well.
    ///
    /// The fields of messages are there only while somebody reads the events as well.
    pub fn observe(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Keeps so many bytes of each body that passes: of requests and responses, and of the calls that the component makes.
    /// They are in the [events](Harness::events), and what [`inspector`](Harness::inspector) shows. By default none are.
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

    /// Links a component and its middleware behind it in the list, so that they answer requests and a recorder hears of them.
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

    /// The component, and the middleware in front of it, the outermost first: a file or the directory of a crate each, and
    /// the features to build it with.
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

    /// A recorder for the component, or for several that come one after the other.
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

/// Compiles on a thread of its own: it takes a while.
async fn load(path: PathBuf, purpose: Purpose) -> Result<Component, Error> {
    let compile = move || Component::load_for(Path::new(&path), purpose);
    match tokio::task::spawn_blocking(compile).await {
        Ok(component) => component,
        Err(panic) => Err(Error::new("the compiler of the component panicked").with_source(panic)),
    }
}
