//! The builder of a harness.

use std::future::{Future, IntoFuture};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use super::{Harness, Origin};
use crate::cargo::{self, Progress};
use crate::chain;
use crate::config::Config;
use crate::engine::Purpose;
use crate::environment::check_variable;
use crate::guest::Settings;
use crate::inbound::Inbound;
use crate::outbound::framed::framed;
use crate::telemetry::{Observer, Recorder};
use crate::{Clock, Component, Error, Event, KeyValue, Limits, Outbound};

/// Makes a [`Harness`] when it is awaited.
#[derive(Clone, Debug)]
pub struct HarnessBuilder {
    source: Source,
    features: Vec<String>,
    middleware: Vec<PathBuf>,
    env: Vec<(String, String)>,
    #[cfg(feature = "live")]
    env_files: Option<EnvFiles>,
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

/// Files that determine the environment of a component under live reload.
#[cfg(feature = "live")]
#[derive(Clone)]
pub(crate) struct EnvFiles {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) read: Arc<ReadEnv>,
}

#[cfg(feature = "live")]
type ReadEnv = dyn Fn() -> Result<Vec<(String, String)>, Error> + Send + Sync;

#[cfg(feature = "live")]
impl std::fmt::Debug for EnvFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvFiles").field("files", &self.files).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    Crate(PathBuf),
    File(PathBuf),
}

impl HarnessBuilder {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            features: Vec::new(),
            middleware: Vec::new(),
            env: Vec::new(),
            #[cfg(feature = "live")]
            env_files: None,
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

    /// Adds middleware directly in front of the component, behind the middleware of earlier calls. The middleware of
    /// the first call is thus the outermost. The path names a component file, or a crate, which is built with its
    /// default features.
    ///
    /// Middleware imports and exports `wasi:http/handler@0.3`. It gets the same environment, outbound calls and limits
    /// as the component, which may be of WASI 0.2 or 0.3. The output and the usage of all these components are recorded
    /// under the number of the client's request.
    pub fn middleware(mut self, target: impl Into<PathBuf>) -> Self {
        self.middleware.push(target.into());
        self
    }

    /// Sets an environment variable of the component. If a name is set again, the last value counts. The component sees
    /// no variables of this process.
    ///
    /// Awaiting the builder fails if [`check_variable`](crate::check_variable) rejects the variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        set(&mut self.env, name.into(), value.into());
        self
    }

    /// Sets a value of `wasi:config`. If a name is set again, the last value counts.
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

    /// Sets how many requests an instance handles before it is replaced. The default is 1, which isolates requests. An
    /// instance that trapped is never used again.
    pub fn reuse(mut self, requests: u32) -> Self {
        self.reuse = requests.max(1);
        self
    }

    /// Sets how many requests an instance works on at the same time. The default is 1, which isolates requests: a trap
    /// ends all requests in flight on its instance.
    ///
    /// Only components of WASI 0.3 support this. A number above that of [`reuse`](Self::reuse) has no further effect.
    /// If fuel is counted, requests run in sequence, because fuel is counted per instance.
    pub fn at_once(mut self, requests: u32) -> Self {
        self.at_once = requests.max(1);
        self
    }

    /// Seeds the random numbers of the component (`wasi:random`). The random numbers of an instance depend only on the
    /// seed and on the number of its first request. The random numbers may differ between versions of this crate.
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

    /// Counts fuel, about one unit per instruction; see [`Harness::usage`]. Counting makes the component slower.
    pub fn count_fuel(mut self) -> Self {
        self.count_fuel = true;
        self
    }

    /// Also writes the component's output to this process's stderr.
    pub fn pass_on_output(mut self) -> Self {
        self.pass_on_output = true;
        self
    }

    /// Calls a function with each event at the time of the event. Unlike a subscriber of [`Harness::events`], the
    /// function misses no event, but the request waits for it.
    ///
    /// The events contain headers only while there is a subscriber of [`Harness::events`] as well.
    pub fn observe(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Captures the first `limit_bytes` bytes of each body: of requests, responses and outbound calls. The
    /// [events](Harness::events) contain them, and the page of the [`inspector`](Harness::inspector) shows them. By
    /// default nothing is captured.
    pub fn capture_bodies(mut self, limit_bytes: usize) -> Self {
        self.capture_bytes = limit_bytes;
        self
    }

    /// Shows cargo's progress on stderr while a crate is built.
    pub fn show_progress(mut self) -> Self {
        self.progress = Progress::Shown;
        self
    }

    /// Checks the settings that can be checked without the component.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.env.iter().try_for_each(|(name, value)| check_variable(name, value))
    }

    /// Links the first component of the list behind its middleware, which is the rest of the list, outermost first.
    /// Connects all of them to the recorder.
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

    /// Returns the component, followed by its middleware, outermost first. Each is a component file or the directory of
    /// a crate, with the features to build the crate with.
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
    pub(crate) fn env_files(&self) -> Option<&EnvFiles> {
        self.env_files.as_ref()
    }

    #[cfg(feature = "live")]
    pub(crate) fn set_env_files(&mut self, env_files: EnvFiles) {
        self.env_files = Some(env_files);
    }

    /// Replaces the environment.
    #[cfg(feature = "live")]
    pub(crate) fn with_env(mut self, env: &[(String, String)]) -> Self {
        self.env = env.to_vec();
        self
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

/// Compiles a component on a thread for blocking work, because compilation takes long.
async fn load(path: PathBuf, purpose: Purpose) -> Result<Component, Error> {
    let compile = move || Component::load_for(Path::new(&path), purpose);
    match tokio::task::spawn_blocking(compile).await {
        Ok(component) => component,
        Err(panic) => Err(Error::new("the compiler of the component panicked").with_source(panic)),
    }
}
