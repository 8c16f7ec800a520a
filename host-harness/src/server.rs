//! Serves a component over a socket.

mod accepting;
mod activity;
mod connection;
mod flush;
mod incoming;
mod outgoing;
mod reserve;
mod socket;
mod streams;
mod transfer;

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::Error;
use crate::inbound::{Inbound, Unfinished};
use accepting::{Accepting, Failed};
use connection::Connections;
use reserve::Reserve;

/// A server for a component: HTTP/1.1, and HTTP/2 without TLS for clients with prior knowledge.
///
/// Limits for both protocols: a request may have 100 headers besides `Host` with 64 KiB in total, 32 KiB of path and
/// query, and 100 trailers with 16 KiB in total. If path and query are longer, the client gets 414; if headers or
/// trailers exceed a limit, it gets 431.
///
/// Dropping the server stops it at once; [`shutdown`](Server::shutdown) lets requests finish.
///
/// A client that closes only its sending side still gets its response. Over TCP it looks the same as a client that has
/// closed its socket, so the server notices a closed socket only at its next write.
///
/// If a component responds before a large request body has arrived, the server reads and discards the rest, for up to
/// [`client_timeout`](ServerBuilder::client_timeout) and 256 MiB. Otherwise the client would get a connection reset
/// instead of the response.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    requests: Arc<Unfinished>,
}

impl Server {
    /// Returns the address that the server listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the URL of a path on this server. The path starts with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Stops accepting requests, waits for running ones, and stops.
    ///
    /// A request runs until its response has been sent and its component has finished, including work after the
    /// response, such as that of `wait_until`. After [`drain_timeout`](ServerBuilder::drain_timeout) the remaining
    /// connections are closed, and a warning names the requests that were cut. Work after a response is not ended: it
    /// continues to its own time limit, or to the end of the process.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // Sending fails only if the task has already ended, because it panicked.
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.task.is_finished() {
            self.task.abort();
            if let Some(requests) = self.requests.describe() {
                tracing::warn!("the server ended at once and cut {requests}");
            }
        }
    }
}

/// Makes a [`Server`] when it is awaited.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), wayside_harness::Error> {
/// use std::time::Duration;
/// use wayside_harness::Harness;
///
/// let app = Harness::build("examples/hello").await?;
/// let server = app.serve("127.0.0.1:0").client_timeout(Duration::from_secs(5)).await?;
/// # Ok(()) }
/// ```
#[must_use = "await the builder to get a server"]
pub struct ServerBuilder<'a> {
    listener: Listening<'a>,
    inbound: Inbound,
    client_timeout: Duration,
    drain_timeout: Duration,
}

type Listening<'a> = Pin<Box<dyn Future<Output = Result<TcpListener, Error>> + Send + 'a>>;

/// The upper bound of `client_timeout` and `drain_timeout`: longer than any process runs, and small enough to add to an
/// `Instant` without overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl<'a> ServerBuilder<'a> {
    pub(crate) fn new(addr: impl ToSocketAddrs + fmt::Display + Send + 'a, inbound: Inbound) -> Self {
        Self {
            listener: Box::pin(listen(addr)),
            inbound,
            client_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }

    /// Sets how long a client may be inactive. 30 seconds by default, a year at most.
    ///
    /// - A connection without a request in progress is closed after this time, whether the client sends nothing, sends
    ///   only a part of a head, or keeps the connection for a later request. The time starts again with the first byte
    ///   of a head.
    /// - A client that sends no byte of its request body for this long, while the component waits for it, gets 408. If
    ///   the head of the response has already been sent, the component reads an error in place of the rest of the body.
    /// - A client that reads no byte of its response for this long is disconnected; in HTTP/2 its stream is reset.
    ///
    /// [`Exchange::client_fault`](crate::Exchange::client_fault) tells which of these ended a request.
    pub fn client_timeout(mut self, timeout: Duration) -> Self {
        self.client_timeout = timeout.min(LONGEST);
        self
    }

    /// Sets how long requests, including work after their responses, may continue after [`Server::shutdown`]. 10
    /// seconds by default, a year at most.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout.min(LONGEST);
        self
    }

    async fn start(self) -> Result<Server, Error> {
        let listener = self.listener.await?;
        let addr = listener
            .local_addr()
            .map_err(|error| Error::new("cannot read the address of the listening socket").with_source(error))?;
        let (stop, stopped) = oneshot::channel();
        let requests = Arc::<Unfinished>::default();
        let connections = Connections::new(self.inbound, self.client_timeout, Arc::clone(&requests));
        let serving = Serving { connections: Arc::new(connections), drain_timeout: self.drain_timeout };
        let task = tokio::spawn(serving.run(listener, Arc::clone(&requests), stopped));
        Ok(Server { addr, stop: Some(stop), task, requests })
    }
}

impl<'a> IntoFuture for ServerBuilder<'a> {
    type Output = Result<Server, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Server, Error>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for ServerBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("client_timeout", &self.client_timeout)
            .field("drain_timeout", &self.drain_timeout)
            .finish_non_exhaustive()
    }
}

async fn listen(addr: impl ToSocketAddrs + fmt::Display) -> Result<TcpListener, Error> {
    let name = addr.to_string();
    TcpListener::bind(addr).await.map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "end the program that listens there, or choose another port; 0 takes a free one"
            }
            std::io::ErrorKind::PermissionDenied => "choose a port from 1024 on",
            std::io::ErrorKind::AddrNotAvailable => "choose an address of this machine, as `127.0.0.1:3000`",
            _ => "write an address and a port, as `127.0.0.1:3000`",
        };
        Error::new(format!("cannot listen on `{name}`")).with_help(help).with_source(error)
    })
}

struct Serving {
    connections: Arc<Connections>,
    drain_timeout: Duration,
}

impl Serving {
    async fn run(self, listener: TcpListener, requests: Arc<Unfinished>, stopped: oneshot::Receiver<()>) {
        let (stopping, is_stopping) = watch::channel(false);
        // Each connection is a task of this set. Dropping the set at the end of this function ends the connections.
        let mut tasks = JoinSet::new();
        self.accept(&listener, &mut tasks, &is_stopping, stopped).await;
        drop(listener);
        stopping.send_replace(true);
        let drained = async {
            while tasks.join_next().await.is_some() {}
            requests.none_left().await;
        };
        if tokio::time::timeout(self.drain_timeout, drained).await.is_err() {
            let cut = requests.describe().unwrap_or_else(|| "connections without a request".to_owned());
            tracing::warn!("the server waited {:?} for requests to finish, and cut {cut}", self.drain_timeout);
        }
    }

    /// Accepts connections until the server stops.
    async fn accept(
        &self,
        listener: &TcpListener,
        tasks: &mut JoinSet<()>,
        is_stopping: &watch::Receiver<bool>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let (mut accepting, mut reserve) = (Accepting::default(), Reserve::of(listener));
        loop {
            if accepting.pause(Instant::now()).is_none() && !reserve.fill(listener) {
                accepting.failed_again(Instant::now());
            }
            let pause = accepting.pause(Instant::now());
            tokio::select! {
                accepted = listener.accept(), if pause.is_none() => match accepted {
                    Ok((stream, client)) => {
                        accepting.succeeded(Instant::now());
                        tasks.spawn(Arc::clone(&self.connections).serve(stream, client, is_stopping.clone()));
                    }
                    Err(error) => if let Some(failed) = accepting.failed(&error, Instant::now()) {
                        reserve.release();
                        if failed == Failed::First {
                            tracing::error!(
                                "cannot accept connections: {error}; those that are open go on; allow more open files \
                                 (`ulimit -n`) if this happens again"
                            );
                        }
                    },
                },
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                () = accepting.settled() => {
                    if let Some(time) = accepting.recovered(Instant::now()) {
                        tracing::warn!("connections are accepted again, after {:.1} s", time.as_secs_f64());
                    }
                }
                Some(_) = tasks.join_next() => {}
                // This branch also runs if the `Server` is dropped.
                _ = &mut stopped => return,
            }
        }
    }
}
