//! What a component sends to others.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use http::{Method, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

use crate::message::body::Body;
use crate::message::body::{BodyError, asks_host};
use crate::message::error_code::ErrorCode;
use crate::outbound::shown;

/// Completes when an instance has ended badly, and with an error when it has ended well.
type Cut = Shared<oneshot::Receiver<()>>;

/// The bodies that one instance sends.
#[derive(Default)]
pub(super) struct Uploads(Option<(oneshot::Sender<()>, Cut)>);

impl Uploads {
    /// Watches over a body: when the store of its writer is dropped it ends as if it were whole, so it is broken off where
    /// the instance that wrote it ended badly.
    pub(super) fn watch(&mut self, body: WasiBody, of: Of) -> Body {
        let (_, cut) = self.0.get_or_insert_with(|| {
            let (sender, receiver) = oneshot::channel();
            (sender, receiver.shared())
        });
        Body::new(CutUpload { body, cut: cut.clone(), of })
    }

    /// Breaks off all that is not finished.
    pub(super) fn cut(&mut self) {
        if let Some((sender, _)) = self.0.take() {
            // Whoever reads them may have gone.
            let _ = sender.send(());
        }
    }
}

/// The request that a body is of, for the log.
pub(super) struct Of {
    /// The number of the request that the component works on.
    pub(super) request: Option<u64>,
    /// The server of an outbound call; missing where the request goes to the next handler of a chain.
    pub(super) server: Option<(Method, Uri)>,
}

impl Of {
    fn broken_off(&self, error: &ErrorCode) {
        let request = self.request;
        let cause = match error {
            // What wasmtime says of every body of WASI 0.2 that is dropped before its end.
            ErrorCode::HttpProtocolError => String::new(),
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
}

impl HttpBody for CutUpload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let (polled, handed_through) = asks_host(|| Pin::new(&mut this.body).poll_frame(cx));
        if let Poll::Ready(Some(Err(error))) = &polled
            && !handed_through
        {
            this.of.broken_off(error);
        }
        if handed_through || matches!(polled, Poll::Ready(Some(_))) {
            return polled.map_err(Into::into);
        }
        match this.cut.poll_unpin(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Some(Err("the component ended before its request did".into()))),
            _ => polled.map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
