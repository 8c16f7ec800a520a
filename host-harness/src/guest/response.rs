//! The response of a component on its way to the client.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;
use wasmtime::Store;
use wasmtime_wasi_http::{Error as HostError, WasiBody};

use super::Failure;
use super::state::InstanceState;
use crate::message::body::{Body, BodyError, asks_host, body_error, code_of};
use crate::message::error_code::ErrorCode;

/// The response of a component, or the reason for its absence.
pub(super) type GuestResponse = Result<Response<Body>, Failure>;

/// The store of an ended instance. Dropping it would end unfinished bodies as if they were complete.
pub(super) type KeptStore = Arc<Mutex<Store<InstanceState>>>;

/// The progress of a response, shared by its client, its worker and the reader of its body.
pub(super) struct ResponseDelivery {
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Receives the response. `None` after it was sent.
    answer: Option<oneshot::Sender<GuestResponse>>,
    head_sent: bool,
    body_gone: bool,
    /// Whether the component has ended its work on this response.
    ended: bool,
    kept: Option<KeptStore>,
    /// The waker of the body's reader while it waits.
    reader: Option<Waker>,
    /// The number of frames that were read.
    frames: u64,
    /// Whether the body is a body of the host that the component only passes through.
    handed_through: bool,
    /// Notified of each step. Requests that share an instance share it.
    changed: Arc<Notify>,
    /// Reports to the component how its response was received.
    received: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl ResponseDelivery {
    pub(super) fn new() -> (Arc<Self>, oneshot::Receiver<GuestResponse>) {
        let (answer, answered) = oneshot::channel();
        let progress = Mutex::new(Progress { answer: Some(answer), ..Progress::default() });
        (Arc::new(Self { progress }), answered)
    }

    /// Sets the notification for each step.
    pub(super) fn watch(&self, changed: &Arc<Notify>) {
        self.lock().changed = Arc::clone(changed);
    }

    /// Notifies of a change.
    pub(super) fn tell(&self) {
        self.lock().changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the response of the component.
    pub(super) fn answer(self: &Arc<Self>, answer: Result<Response<WasiBody>, Failure>) {
        self.lock().head_sent = true;
        self.tell();
        // Created here, so that the worker learns that the body is dropped even if the head is never received.
        let reader = BodyEnd { delivery: Arc::clone(self), received: Err(ErrorCode::ConnectionTerminated) };
        self.send(answer.map(|response| {
            response
                .map(|body| Body::new(GuestBody { body, end: Some(reader), handed_through: false, broken_off: false }))
        }));
    }

    /// Sends the failure if nothing was sent before. Returns whether it was sent.
    pub(super) fn fail(&self, failure: Failure) -> bool {
        self.send(Err(failure))
    }

    fn send(&self, answer: GuestResponse) -> bool {
        let Some(sender) = self.lock().answer.take() else { return false };
        // The receiver is gone when the client is.
        let _ = sender.send(answer);
        true
    }

    /// Whether the head has been sent.
    pub(super) fn is_answered(&self) -> bool {
        self.lock().head_sent
    }

    /// Whether the body has been read or dropped.
    pub(super) fn is_over(&self) -> bool {
        self.lock().body_gone
    }

    /// Whether the client can get the rest of the response without the instance.
    pub(super) fn is_free(&self) -> bool {
        let progress = self.lock();
        progress.body_gone || progress.handed_through || !progress.head_sent
    }

    /// Returns the number of frames read so far, if the client waits for more.
    pub(super) fn waits_after(&self) -> Option<u64> {
        let progress = self.lock();
        progress.reader.is_some().then_some(progress.frames)
    }

    /// Whether the client has gone before the response.
    pub(super) fn is_unwanted(&self) -> bool {
        self.lock().answer.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    /// Completes with how the client received the response.
    pub(super) fn received(&self) -> impl Future<Output = Result<(), HostError>> + Send + 'static {
        let (sender, receiver) = oneshot::channel();
        self.lock().received = Some(sender);
        async { receiver.await.unwrap_or(Ok(())).map_err(ErrorCode::into_host) }
    }

    /// Records the result of a poll for the next frame.
    fn polled(&self, handed_through: bool, ready: bool) {
        let mut progress = self.lock();
        if ready {
            progress.frames += 1;
            progress.reader = None;
        }
        if handed_through && !progress.handed_through {
            progress.handed_through = true;
            progress.changed.notify_waiters();
        }
    }

    /// Ends the component's work on this response, finished or not.
    pub(super) fn end(&self, kept: Option<&KeptStore>) {
        let mut progress = self.lock();
        if progress.body_gone || !progress.head_sent {
            return;
        }
        progress.ended = true;
        progress.kept = kept.map(Arc::clone);
        if let Some(reader) = progress.reader.take() {
            reader.wake();
        }
    }

    /// Completes if the head has not been sent in time; otherwise never.
    pub(super) async fn head_overdue(&self, limit: Duration) {
        sleep(limit).await;
        if self.is_answered() {
            std::future::pending::<()>().await;
        }
    }

    /// Completes if the component works for too long after its body was read or dropped.
    pub(super) async fn work_overdue(&self, limit: Duration) {
        let changing = Arc::clone(&self.lock().changed);
        let mut changed = pin!(changing.notified());
        loop {
            changed.as_mut().enable();
            if self.is_over() {
                break;
            }
            changed.as_mut().await;
            changed.set(changing.notified());
        }
        sleep(limit).await;
    }
}

/// The body of a response. It breaks off if the component ends without finishing it.
struct GuestBody {
    body: WasiBody,
    end: Option<BodyEnd>,
    /// Whether the body is a body of the host that the component only passes through.
    handed_through: bool,
    /// Whether it has failed. wasmtime's `is_end_stream` is right for complete bodies only.
    broken_off: bool,
}

impl GuestBody {
    /// Fails the body, and reports the error to the component.
    fn break_off(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.broken_off = true;
        if let Some(mut end) = self.end.take() {
            end.received = Err(code_of(&error));
        }
        Poll::Ready(Some(Err(error)))
    }

    /// Whether all of the body has been read. A reader that knows the length does not poll for the end.
    fn is_whole(&self) -> bool {
        !self.broken_off && (self.body.is_end_stream() || self.body.size_hint().exact() == Some(0))
    }
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        let whole = self.is_whole();
        if let Some(end) = self.end.as_mut().filter(|_| whole) {
            end.received = Ok(());
        }
    }
}

/// Notifies the worker when the body is dropped.
struct BodyEnd {
    delivery: Arc<ResponseDelivery>,
    /// The report to the component about its response.
    received: Result<(), ErrorCode>,
}

impl Drop for BodyEnd {
    fn drop(&mut self) {
        let (kept, received) = {
            let mut progress = self.delivery.lock();
            progress.body_gone = true;
            (progress.kept.take(), progress.received.take())
        };
        if let Some(received) = received {
            // The component may not wait for it.
            let _ = received.send(std::mem::replace(&mut self.received, Ok(())));
        }
        self.delivery.tell();
        drop(kept);
    }
}

impl HttpBody for GuestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.broken_off {
            return Poll::Ready(None);
        }
        let (polled, asked_host) = asks_host(|| Pin::new(&mut this.body).poll_frame(cx));
        // Stays set: the last poll of such a body may end in wasmtime's wrapper around it.
        this.handed_through |= asked_host;
        let handed_through = this.handed_through;
        if let Some(BodyEnd { delivery, .. }) = &this.end {
            delivery.polled(handed_through, polled.is_ready());
        }
        match polled {
            Poll::Ready(None) => {
                if let Some(mut end) = this.end.take() {
                    end.received = Ok(());
                }
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            // wasmtime's error for every body of WASI 0.2 that is dropped before its end.
            Poll::Ready(Some(Err(HostError::HttpProtocolError))) if !handed_through => {
                this.break_off("the component did not finish its response".into())
            }
            Poll::Ready(Some(Err(error))) => this.break_off(body_error(error)),
            Poll::Pending => {
                let Some(BodyEnd { delivery, .. }) = &this.end else {
                    return Poll::Pending;
                };
                let mut progress = delivery.lock();
                // All that was written has been read and the writer still exists, so it never finished. A body that is
                // passed through has its writer elsewhere.
                if progress.ended && !handed_through {
                    drop(progress);
                    return this.break_off("the component ended before its response did".into());
                }
                progress.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.broken_off && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
