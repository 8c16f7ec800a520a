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
    pub fn calls(&self) -> Vec<OutboundCall> {
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
