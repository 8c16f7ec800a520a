//! The body of a request from the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::transfer::{DISCARD_BYTES, Transfer};
use crate::message::body::BodyError;
use crate::message::client_fault::ClientFault;
use crate::message::error_code::ErrorCode;

/// How long a client may pause in a body that is discarded.
const PAUSE: Duration = Duration::from_secs(2);

/// A request body. It fails if the client pauses for the time limit. If the component drops it, the server reads and
/// discards the rest.
pub(super) struct RequestBody {
    /// The unread rest of the body. `None` after the end.
    incoming: Option<Incoming>,
    transfer: Arc<Transfer>,
    pause: Pause,
    /// Whether the client waits for `100 Continue` (RFC 9110, section 10.1.1). The first read sends it.
    awaits_leave: bool,
}

impl RequestBody {
    pub(super) fn new(head: &Parts, incoming: Incoming, transfer: Arc<Transfer>) -> Self {
        let awaits_leave = head.version == Version::HTTP_11
            && head
                .headers
                .get(header::EXPECT)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let pause = Pause { since: None, sleep: None, limit: transfer.limit };
        Self { incoming: Some(incoming), transfer, pause, awaits_leave }
    }

    /// Records that the body has ended, with or without an error.
    fn end(&mut self) {
        self.incoming = None;
        self.transfer.client.set_awaited(false);
        self.transfer.received().happen();
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        this.awaits_leave = false;
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
            this.transfer.client.set_awaited(true);
            ready!(this.pause.poll_over(cx));
            this.transfer.client.blame(ClientFault::PausedUpload(this.pause.limit));
            this.transfer.activity.left_unread();
            this.end();
            return Poll::Ready(Some(Err(ErrorCode::ConnectionReadTimeout.into())));
        };
        this.pause.since = None;
        this.transfer.client.set_awaited(false);
        if !matches!(frame, Some(Ok(_))) || this.incoming.as_ref().is_some_and(Incoming::is_end_stream) {
            this.end();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        self.transfer.client.set_awaited(false);
        let is_wanted = !self.awaits_leave && self.transfer.client.fault().is_none() && !incoming.is_end_stream();
        match Handle::try_current() {
            Ok(runtime) if is_wanted => {
                self.transfer.given_up().happen();
                runtime.spawn(discard(incoming, Arc::clone(&self.transfer)));
            }
            _ => {
                self.transfer.activity.left_unread();
                self.transfer.received().happen();
            }
        }
    }
}

/// Reads and discards a body that the component dropped, within a time and size limit. Otherwise a client that sends
/// its whole request before it reads the response would find its connection reset, or in HTTP/2 its stream.
async fn discard(mut incoming: Incoming, transfer: Arc<Transfer>) {
    let read = async {
        loop {
            match timeout(PAUSE, incoming.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len);
                    if transfer.activity.discarded(bytes) > DISCARD_BYTES {
                        return false;
                    }
                }
                Ok(None | Some(Err(_))) => return true,
                Err(_) => return false,
            }
        }
    };
    let closed = async {
        transfer.answered().wait().await;
        if !transfer.closes() {
            std::future::pending::<()>().await;
        }
    };
    let is_whole = tokio::select! {
        biased;
        is_whole = timeout(transfer.limit, read) => is_whole.unwrap_or(false),
        () = closed => false,
    };
    if !is_whole {
        transfer.activity.left_unread();
    }
    transfer.received().happen();
}

/// Measures how long the component has waited for the next frame of a body.
struct Pause {
    since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    limit: Duration,
}

impl Pause {
    /// Completes when the wait has reached `limit`. One timer serves all waits. It is reset only when it expires,
    /// because each reset costs time.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let over = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(over)));
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= over {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(over);
        }
    }
}
