//! The bodies of requests that a component sends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use http::{Method, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error as HostError, WasiBody};

use crate::message::body::{Body, BodyError, asks_host, body_error};
use crate::outbound::shown;

/// Completes with `Ok` if the instance ends before its work is done, for example by a trap. Completes with an error if
/// the instance finishes its work.
type Cut = Shared<oneshot::Receiver<()>>;

/// The bodies that one instance sends.
#[derive(Default)]
pub(super) struct Uploads(Option<(oneshot::Sender<()>, Cut)>);

impl Uploads {
    /// Wraps a body so that it fails if the instance ends before its work is done. The body would otherwise seem
    /// complete, because wasmtime ends it without an error when the store of its writer is dropped.
    pub(super) fn watch(&mut self, body: WasiBody, of: Of) -> Body {
        let (_, cut) = self.0.get_or_insert_with(|| {
            let (sender, receiver) = oneshot::channel();
            (sender, receiver.shared())
        });
        Body::new(CutUpload { body, cut: cut.clone(), of, handed_through: false })
    }

    /// Fails all unfinished bodies.
    pub(super) fn cut(&mut self) {
        if let Some((sender, _)) = self.0.take() {
            // Fails if no reader is left.
            let _ = sender.send(());
        }
    }
}

/// The request that a body belongs to, for the log.
pub(super) struct Of {
    /// The number of the client request that the component works on.
    pub(super) request: Option<u64>,
    /// The method and the URL of an outbound call. `None` if the request goes to the next handler of a chain.
    pub(super) server: Option<(Method, Uri)>,
}

impl Of {
    fn broken_off(&self, error: &HostError) {
        let request = self.request;
        let cause = match error {
            // wasmtime returns this error for every WASI 0.2 body that the component drops before its end. The error
            // names no further cause.
            HostError::HttpProtocolError => String::new(),
            error => format!(": {error}"),
        };
        match &self.server {
            Some((method, uri)) => {
                let url = shown(uri);
                tracing::warn!(request, "the component broke off the body of its request {method} `{url}`{cause}");
            }
            None => {
                tracing::warn!(request, "the middleware broke off the body of the request to the next handler{cause}");
            }
        }
    }
}

struct CutUpload {
    body: WasiBody,
    cut: Cut,
    of: Of,
    /// Whether the host writes the body, and the component only passes it through.
    handed_through: bool,
}

impl HttpBody for CutUpload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let (polled, asked_host) = asks_host(|| Pin::new(&mut this.body).poll_frame(cx));
        this.handed_through |= asked_host;
        if let Poll::Ready(Some(Err(error))) = &polled
            && !this.handed_through
        {
            this.of.broken_off(error);
        }
        if this.handed_through || matches!(polled, Poll::Ready(Some(_))) {
            return polled.map_err(body_error);
        }
        match this.cut.poll_unpin(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Some(Err("the component ended before its request did".into()))),
            _ => polled.map_err(body_error),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
