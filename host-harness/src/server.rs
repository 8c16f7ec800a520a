//! Serving a component over a socket.

mod flush;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::framing::keep_length;
use crate::head::{self, FromSocket};
use crate::inbound::Inbound;
use crate::{Body, Error};
use flush::Flush;

/// How long requests may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that answers with a component: HTTP/1.1, and HTTP/2 without TLS for clients that start with it.
///
/// Over both protocols, the head of a request may have 100 fields besides `Host` and 64 KiB, its path and query 32 KiB, and its
/// trailers 100 fields and 16 KiB. More is answered with 431 or 414.
///
/// It stops when it is dropped, at once; [`shutdown`](Server::shutdown) lets requests finish.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn bind(addr: impl ToSocketAddrs + std::fmt::Display, inbound: Inbound) -> Result<Self, Error> {
        let listener = TcpListener::bind(&addr).await.map_err(|error| {
            let help = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "end the program that listens there, or choose another port; 0 takes a free one"
                }
                std::io::ErrorKind::PermissionDenied => "choose a port from 1024 on",
                std::io::ErrorKind::AddrNotAvailable => "choose an address of this machine, as `127.0.0.1:3000`",
                _ => "write an address and a port, as `127.0.0.1:3000`",
            };
            Error::new(format!("cannot listen on `{addr}`")).with_help(help).with_source(error)
        })?;
        let addr = listener
            .local_addr()
            .map_err(|error| Error::new("cannot read the address of the listening socket").with_source(error))?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, inbound, stopped));
        Ok(Self { addr, stop: Some(stop), task })
    }

    /// The address that the server really listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path on this server, which starts with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Takes no new requests, waits up to 10 seconds for those that run, and stops.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // The task ends by itself only if it panicked.
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, inbound: Inbound, mut stopped: oneshot::Receiver<()>) {
    let builder = builder();
    let graceful = GracefulShutdown::new();
    // Whatever ends this function ends the connections: they are tasks of this set.
    let mut connections = JoinSet::new();
    loop {
        let (stream, client) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: those that are in use will be given back.
                    tracing::error!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            // An error means that the server was dropped.
            _ = &mut stopped => break,
        };
        // Responses go out at once; a small one would wait for the client's acknowledgement otherwise.
        let _ = stream.set_nodelay(true);
        let inbound = inbound.clone();
        let flush = Flush::default();
        let socket = flush.socket(stream);
        let writes = flush.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (inbound, writes) = (inbound.clone(), writes.clone());
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(FromSocket);
            async move {
                let version = request.version();
                let response = inbound.handle(request).await;
                let response = if version < Version::HTTP_2 { keep_length(response) } else { response };
                Ok::<_, Infallible>(writes.hold_failure(response, version))
            }
        });
        let connection = builder.serve_connection(socket, service).into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = flush.run(connection).await {
                log_end(&*error, client);
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut: they took longer than {} s to finish", DRAIN.as_secs());
    }
}

/// HTTP/1.1 and HTTP/2 with the same limits of heads, which `head` enforces with a reason.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).max_headers(head::PARSED_FIELDS);
    // An extended CONNECT is answered with 501 (RFC 9220, section 3); HTTP/2 would reset its stream without a reason.
    builder.http2().timer(TokioTimer::new()).max_header_list_size(head::PARSED_LIST_BYTES).enable_connect_protocol();
    builder
}

/// Logs why a connection ended. hyper answers a head that it cannot parse by itself, so no request is recorded for it.
fn log_end(error: &(dyn std::error::Error + 'static), client: SocketAddr) {
    match error.downcast_ref::<hyper::Error>() {
        Some(error) if error.is_parse() => {
            tracing::warn!("refused a request from {client} before it reached a component: {error}");
        }
        _ => tracing::debug!("a connection ended: {error}"),
    }
}
