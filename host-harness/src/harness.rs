//! The harness: one component, ready for requests.

mod builder;

use std::fmt;
use std::path::PathBuf;

use http::{Request, Response, header, uri};
use http_body::Body as _;
use tokio::net::ToSocketAddrs;
use tokio::sync::broadcast;

use crate::inbound::Inbound;
use crate::message::body::Body;
use crate::telemetry::Recorder;
use crate::{Description, Event, LogEntry, OutboundCall, ServerBuilder, Trap, Usage};

#[cfg(feature = "live")]
pub(crate) use builder::EnvFiles;
pub use builder::HarnessBuilder;
use builder::Source;

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
    /// Builds a crate with cargo (release, `wasm32-wasip2`) and loads the component, once the builder is awaited.
    ///
    /// A crate is built only once per process and set of features.
    #[must_use = "await the builder to get a harness"]
    pub fn build(dir: impl Into<PathBuf>) -> HarnessBuilder {
        HarnessBuilder::new(Source::Crate(dir.into()))
    }

    /// Loads a component file, once the builder is awaited.
    #[must_use = "await the builder to get a harness"]
    pub fn load(wasm: impl Into<PathBuf>) -> HarnessBuilder {
        HarnessBuilder::new(Source::File(wasm.into()))
    }

    /// Builds a crate if the path is a directory, like [`build`](Self::build). Otherwise loads the path as a component
    /// file.
    #[must_use = "await the builder to get a harness"]
    pub fn open(path: impl Into<PathBuf>) -> HarnessBuilder {
        let path = path.into();
        if path.is_dir() { Self::build(path) } else { Self::load(path) }
    }

    /// Sends one request to the component, in process, and returns as soon as the head of its response is available.
    ///
    /// A target without an authority gets the scheme `http` and the authority `localhost`, unless the request has a
    /// `Host` header. A non-empty body of known length gets a `content-length`. There is always a response: a trap
    /// becomes 500, a time-out 504.
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
    /// Awaiting the builder fails if the harness cannot listen on the address.
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

    /// Returns how many instances have been created so far.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.recorder.instances()
    }

    /// Returns how many requests have arrived so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.recorder.requests()
    }

    /// Returns the output of the component on stdout and stderr: the newest 10 000 entries, at most 16 MiB.
    #[must_use]
    pub fn logs(&self) -> Vec<LogEntry> {
        self.recorder.logs()
    }

    /// Returns the output of the component as one string.
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
    pub fn calls(&self) -> Vec<OutboundCall> {
        self.recorder.calls()
    }

    /// Subscribes to events from now on. While there is a subscriber, the harness copies the headers of every message.
    ///
    /// A reader that is more than 4096 events behind misses the oldest, and gets an error that says so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.recorder.events()
    }

    /// Returns the paths and settings that the harness was opened with.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the recorder of the component's requests.
    pub(crate) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Returns the usage of each finished request, including memory and fuel: the newest 10 000.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage> {
        self.recorder.usage()
    }

    /// Returns the largest memory, in bytes, that an instance of the component or of its middleware had: the maximum
    /// over [`usage`](Self::usage), or 0 if that is empty. Await [`idle`](Self::idle) first, so that the entry of the
    /// last request is there.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.usage().iter().map(|usage| usage.memory_bytes).max().unwrap_or_default()
    }

    /// Returns the fuel that the newest finished request used in the component and its middleware together, about one
    /// unit per instruction. Await [`idle`](Self::idle) first, so that the last request is finished.
    ///
    /// Returns `None` if no request is finished, or if [`HarnessBuilder::count_fuel`] is not set.
    #[must_use]
    pub fn fuel(&self) -> Option<u64> {
        let usage = self.usage();
        let newest = usage.last()?.request;
        usage.iter().filter(|usage| usage.request == newest).map(|usage| usage.fuel).sum()
    }
}

/// The paths and settings of a harness. A test that the inspector saves opens a harness with the same values.
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
    /// Returns the service that responds to requests.
    pub(crate) fn inbound(&self) -> Inbound {
        self.inbound.clone()
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("description", &self.description).finish_non_exhaustive()
    }
}
