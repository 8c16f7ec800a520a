//! Live reload: serves a crate while it is edited.

mod inputs;
mod page;
mod snapshot;
mod sources;
mod walk;
mod watching;

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{Method, Request, Response, StatusCode};
use tokio::net::ToSocketAddrs;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::builds::{Build, Builds, Outcome};
use crate::cargo::{self, Interrupt, Progress, Rebuilt};
use crate::engine::Purpose;
use crate::environment::check_variable;
use crate::harness::{EnvFiles, Origin};
use crate::inbound::Inbound;
use crate::message::body::Body;
use crate::message::problem::problem;
use crate::telemetry::Recorder;
use crate::{Component, Error, Event, Harness, HarnessBuilder, Inspector, ServerBuilder};
use sources::{Sources, overlooked};

/// A crate that is served while it is edited.
///
/// The crate is rebuilt whenever its sources change, the sources of a path dependency, or another file that cargo lists
/// as an input. Middleware that is a crate is rebuilt in the same cases. Files that git ignores and logs (`*.log`)
/// start no build, unless cargo lists them. The new component is compiled while the old one responds, and then replaces
/// it between two requests; the old one finishes its requests. If a build fails, the old component still responds to
/// programs, but browsers get a page with the compiler's messages instead, so that they show no outdated page. Requests
/// that arrive during the first build wait for its end.
///
/// Dropping this value stops watching the sources, and ends a running build. Servers continue to run with the last
/// component.
pub struct Live {
    inbound: Inbound,
    recorder: Recorder,
    builds: watch::Receiver<Build>,
    origin: Origin,
    worker: JoinHandle<()>,
    interrupt: Interrupt,
}

/// The result of the builds so far, which decides how to respond to a request.
#[derive(Clone, Debug, Default)]
struct LiveState {
    /// The number of builds that have ended.
    ended: u64,
    /// The error of the newest build, unless that build succeeded or is still running.
    failure: Option<Arc<Error>>,
    /// The service of the last component that was built, if any.
    running: Option<Inbound>,
}

impl HarnessBuilder {
    /// Under live reload, takes the environment of the component from a function, in place of the variables that
    /// [`env`](Self::env) set. It is called at the start, after each build, and when one of these files changes. If it
    /// fails, the component of the last build keeps running, and [`Live::builds`] reports the error.
    pub fn live_env<F>(mut self, files: Vec<PathBuf>, read: F) -> Self
    where
        F: Fn() -> Result<Vec<(String, String)>, Error> + Send + Sync + 'static,
    {
        self.set_env_files(EnvFiles { files, read: Arc::new(read) });
        self
    }

    /// Builds the crate now and at each change of its sources, and serves the newest component. Builds middleware
    /// crates as well. Component files are not built.
    ///
    /// # Errors
    ///
    /// Fails if all paths are component files, a directory contains no crate, or the system cannot watch files. A crate
    /// that does not compile is not an error here; [`Live::builds`] reports it.
    pub fn live(self) -> Result<Live, Error> {
        self.check()?;
        let parts: Vec<LiveTarget> = self.parts().into_iter().map(LiveTarget::new).collect::<Result<_, _>>()?;
        let crates: Vec<PathBuf> = parts.iter().filter(|part| part.is_crate).map(|part| part.target.clone()).collect();
        if crates.is_empty() {
            return Err(Error::new("a component in a file cannot be built anew")
                .with_help("name the directory of the crate that it is built from"));
        }
        let sources = Sources::watch(&crates)?;
        let build = Build { number: 1, changed: Vec::new(), outcome: Outcome::Running };
        let (builds, build) = watch::channel(build);
        let (states, state) = watch::channel(LiveState::default());
        let (recorder, origin) = (self.recorder(), self.origin());
        let inbound = Inbound::new(move |request| answer(state.clone(), request));
        let interrupt = Interrupt::default();
        let worker = BuildWorker {
            parts,
            builder: self,
            recorder: recorder.clone(),
            builds,
            states,
            running: Vec::new(),
            env: None,
            interrupt: interrupt.clone(),
        };
        Ok(Live { inbound, recorder, builds: build, origin, worker: tokio::spawn(worker.run(sources)), interrupt })
    }
}

impl Live {
    /// Responds to one request in process, like a server.
    pub async fn request<B: Into<Body>>(&self, request: Request<B>) -> Response<Body> {
        self.inbound.handle(request.map(Into::into)).await
    }

    /// Serves the crate over a socket, once the builder is awaited. Port 0 selects a free one; [`Server::addr`] returns
    /// it.
    ///
    /// # Errors
    ///
    /// Awaiting the builder fails if the harness cannot listen on the address.
    ///
    /// [`Server::addr`]: crate::Server::addr
    pub fn serve<'a>(&self, addr: impl ToSocketAddrs + fmt::Display + Send + 'a) -> ServerBuilder<'a> {
        ServerBuilder::new(addr, self.inbound.clone())
    }

    /// Serves a page that shows requests from now on; see [`Harness::inspector`](crate::Harness::inspector). The page
    /// also shows the compiler's messages.
    ///
    /// # Errors
    ///
    /// Fails if the address is not a loopback address, or if the harness cannot listen on it.
    pub async fn inspector(&self, addr: &str) -> Result<Inspector, Error> {
        Inspector::start(addr, self.inbound.clone(), &self.recorder, self.origin.clone(), Some(self.builds())).await
    }

    pub(crate) fn inbound(&self) -> Inbound {
        self.inbound.clone()
    }

    /// Follows the newest build and those after it.
    #[must_use]
    pub fn builds(&self) -> Builds {
        Builds::new(self.builds.clone())
    }

    /// Subscribes to events of requests from now on, across builds; see [`Harness::events`](crate::Harness::events).
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.recorder.events()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.worker.abort();
        self.interrupt.end();
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("build", &*self.builds.borrow()).finish_non_exhaustive()
    }
}

struct BuildWorker {
    parts: Vec<LiveTarget>,
    builder: HarnessBuilder,
    recorder: Recorder,
    builds: watch::Sender<Build>,
    states: watch::Sender<LiveState>,
    /// The components that respond now, in the order of `parts`.
    running: Vec<Part>,
    /// The environment of the components that respond now, if it comes from files.
    env: Option<Vec<(String, String)>>,
    interrupt: Interrupt,
}

/// A crate or a component file to serve, as the application or as its middleware.
#[derive(Clone)]
struct LiveTarget {
    target: PathBuf,
    features: Vec<String>,
    /// Whether `target` was a directory at the start. A later check could be false by mistake: a directory that is
    /// being replaced is missing for a moment.
    is_crate: bool,
}

impl LiveTarget {
    fn new((target, features): (PathBuf, Vec<String>)) -> Result<Self, Error> {
        let is_crate = target.is_dir();
        if is_crate {
            // Checked before the path becomes absolute, so that an error names the directory as the user gave it.
            cargo::manifest_in(&target)?;
        }
        // Absolute, because a relative path would follow the current directory if somebody moved it.
        Ok(Self { target: std::path::absolute(&target).unwrap_or(target), features, is_crate })
    }

    /// Builds the crate. A component file is already built.
    fn build(&self, progress: Progress, interrupt: &Interrupt) -> Result<Rebuilt, Error> {
        if self.is_crate {
            return cargo::rebuild(&self.target, &self.features, progress, interrupt);
        }
        let component = cargo::built_already(self.target.clone(), &self.features)?;
        Ok(Rebuilt { component, inputs: Vec::new() })
    }

    /// Forces a rebuild of packages whose changed files look older than their artifacts.
    fn forget(&self, packages: &BTreeSet<PathBuf>) {
        if self.is_crate
            && let Err(error) = cargo::forget(&self.target, &self.features, packages)
        {
            // The build that follows reports more.
            tracing::debug!("nothing was taken away: {error}");
        }
    }
}

/// A compiled component, with a digest of its file.
#[derive(Clone)]
struct Part(u64, Component);

impl BuildWorker {
    async fn run(mut self, mut sources: Sources) {
        let (mut number, mut older) = (1, BTreeSet::new());
        loop {
            let before = sources.snapshot().await;
            let began = SystemTime::now();
            let (outcome, swapped, inputs) = self.build(number, older).await;
            sources.built(inputs);
            self.states.send_modify(|state| {
                state.failure = match &outcome {
                    Outcome::Failed(error) => Some(Arc::clone(error)),
                    _ => None,
                };
                state.ended = number;
                state.running = swapped.or(state.running.take());
            });
            self.builds.send_modify(|build| build.outcome = outcome);
            let changed = sources.changes(before, began).await;
            older = overlooked(&changed, began);
            number += 1;
            self.states.send_modify(|state| state.failure = None);
            self.builds.send_replace(Build { number, changed, outcome: Outcome::Running });
        }
    }

    /// Runs one build. Returns its outcome, a service of the new components if any of them changed, and the inputs of
    /// the crates if cargo succeeded.
    async fn build(
        &mut self,
        number: u64,
        older: BTreeSet<PathBuf>,
    ) -> (Outcome, Option<Inbound>, Option<Vec<PathBuf>>) {
        let started = Instant::now();
        let built = match self.cargo(number, older).await {
            Ok(built) => built,
            Err(error) => return (Outcome::Failed(Arc::new(error)), None, None),
        };
        let build = started.elapsed();
        let started = Instant::now();
        let (files, inputs): (_, Vec<_>) = built.into_iter().map(|built| (built.component, built.inputs)).unzip();
        let env_files = self.builder.env_files().map(|env| env.files.clone()).unwrap_or_default();
        let inputs = Some([inputs.concat(), env_files].concat());
        match self.open(files).await {
            Ok(Some(harness)) => {
                let description = Box::new(harness.description().clone());
                let swapped = Outcome::Swapped { description, build, compile: started.elapsed() };
                (swapped, Some(harness.inbound()), inputs)
            }
            Ok(None) => (Outcome::Unchanged, None, inputs),
            Err(error) => (Outcome::Failed(Arc::new(error)), None, inputs),
        }
    }

    /// Builds the crates, and returns the paths of all components.
    async fn cargo(&self, number: u64, older: BTreeSet<PathBuf>) -> Result<Vec<Rebuilt>, Error> {
        let shown = number == 1 && self.builder.progress() == Progress::Shown;
        let older = Arc::new(older);
        let mut built = Vec::new();
        for part in &self.parts {
            let run = |progress| {
                let (part, interrupt, older) = (part.clone(), self.interrupt.clone(), Arc::clone(&older));
                blocking(move || {
                    part.forget(&older);
                    part.build(progress, &interrupt)
                })
            };
            built.push(match run(if shown { Progress::Shown } else { Progress::Hidden }).await {
                // The terminal shows the messages already; the error needs them as well, and cargo repeats them from
                // its cache.
                Err(_) if shown => run(Progress::Hidden).await?,
                built => built?,
            });
        }
        Ok(built)
    }

    /// Compiles and links the components. Returns `None` if none of them changed, nor the environment.
    async fn open(&mut self, files: Vec<PathBuf>) -> Result<Option<Harness>, Error> {
        let (running, purpose) = (self.running.clone(), self.builder.purpose());
        let env = match self.builder.env_files().cloned() {
            Some(env) => Some(blocking(move || read_env(&env)).await?),
            None => None,
        };
        let parts = match blocking(move || compile(&files, &running, purpose)).await? {
            Some(parts) => parts,
            None if env != self.env => self.running.clone(),
            None => return Ok(None),
        };
        let components: Vec<Component> = parts.iter().map(|Part(_, component)| component.clone()).collect();
        let builder = self.builder.clone();
        let builder = if let Some(env) = &env { builder.with_env(env) } else { builder };
        let harness = builder.open(&components, self.recorder.clone())?;
        self.running = parts;
        self.env = env;
        Ok(Some(harness))
    }
}

/// Compiles the files that differ from the running components. Returns `None` if all files are the same.
fn compile(files: &[PathBuf], running: &[Part], purpose: Purpose) -> Result<Option<Vec<Part>>, Error> {
    let mut parts = Vec::new();
    let mut is_new = false;
    for (place, file) in files.iter().enumerate() {
        let bytes = crate::component::read(file)?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let digest = hasher.finish();
        parts.push(match running.get(place) {
            Some(part) if part.0 == digest => part.clone(),
            _ => {
                is_new = true;
                Part(digest, Component::compile(file, &bytes, purpose)?)
            }
        });
    }
    Ok(is_new.then_some(parts))
}

fn read_env(env: &EnvFiles) -> Result<Vec<(String, String)>, Error> {
    let variables = (env.read)()?;
    variables.iter().try_for_each(|(name, value)| check_variable(name, value))?;
    Ok(variables)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => Err(Error::new("the build panicked").with_source(panic)),
    }
}

async fn answer(mut states: watch::Receiver<LiveState>, request: Request<Body>) -> Response<Body> {
    if let Some(seen) = page::build_seen(&request) {
        // The page of a failed build sends this request to learn when to reload. `wait_for` fails if no other build
        // follows.
        let _ = states.wait_for(|state| state.ended > seen).await;
        return page::look_again();
    }
    let state = match states.wait_for(|state| state.ended > 0).await {
        Ok(state) => state.clone(),
        Err(_) => return problem(StatusCode::SERVICE_UNAVAILABLE, None),
    };
    match (state.running, &state.failure) {
        (_, Some(error)) if page::is_wanted(&request) => page::of(state.ended, error),
        (Some(running), _) => running.handle(request).await,
        (None, Some(error)) => page::problem(error),
        // The first build failed, and the next one is running.
        (None, _) => Box::pin(answer_after(states, state.ended, request)).await,
    }
}

async fn answer_after(mut states: watch::Receiver<LiveState>, ended: u64, request: Request<Body>) -> Response<Body> {
    // `wait_for` fails if no other build follows. `has_changed` then fails as well.
    let _ = states.wait_for(|state| state.ended > ended).await;
    if states.has_changed().is_err() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, None);
    }
    answer(states, request).await
}

/// Whether the method is GET or HEAD. Such a request changes nothing, so a page may answer it in place of the
/// component.
fn is_get(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
