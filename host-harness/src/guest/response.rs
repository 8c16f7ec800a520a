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

/// The store of an ended instance. It is kept while bodies are read, because dropping it would end unfinished bodies as
/// if they were complete.
pub(super) type KeptStore = Arc<Mutex<Store<InstanceState>>>;

/// The progress of a response. The client, the task that runs the component, and the reader of the body share it.
pub(super) struct ResponseDelivery {
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Sends the response to the client. `None` once the response has been sent.
    answer: Option<oneshot::Sender<GuestResponse>>,
    head_sent: bool,
    body_gone: bool,
    /// Whether the component has ended its work on this response.
    ended: bool,
    kept: Option<KeptStore>,
    /// The waker of the task that reads the body, while that task waits for a frame.
    reader: Option<Waker>,
    /// The number of frames that the reader has received.
    frames: u64,
    /// Whether the body is a body of the host that the component only passes through.
    handed_through: bool,
    /// Notified at each change of this progress. All requests of an instance may share one `Notify`.
    changed: Arc<Notify>,
    /// Tells the component whether the client received the whole response.
    received: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl ResponseDelivery {
    pub(super) fn new() -> (Arc<Self>, oneshot::Receiver<GuestResponse>) {
        let (answer, answered) = oneshot::channel();
        let progress = Mutex::new(Progress { answer: Some(answer), ..Progress::default() });
        (Arc::new(Self { progress }), answered)
    }

    /// Sets the `Notify` that is notified at each change of the progress.
    pub(super) fn watch(&self, changed: &Arc<Notify>) {
        self.lock().changed = Arc::clone(changed);
    }

    /// Wakes all tasks that wait for a change of the progress.
    pub(super) fn tell(&self) {
        self.lock().changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the response of the component to the client.
    pub(super) fn answer(self: &Arc<Self>, answer: Result<Response<WasiBody>, Failure>) {
        self.lock().head_sent = true;
        self.tell();
        // Created before the head is sent, so that the worker learns that the body is dropped even if the head
        // is never received.
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
        // Fails if the client is gone, and with it the receiver.
        let _ = sender.send(answer);
        true
    }

    /// Whether the head has been sent.
    pub(super) fn is_answered(&self) -> bool {
        self.lock().head_sent
    }

    /// Whether the body has been read to its end, has failed, or has been dropped.
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

    /// Whether the client went away before it got a response.
    pub(super) fn is_unwanted(&self) -> bool {
        self.lock().answer.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    /// Completes at the end of the response: with `Ok` if the client received all of it, otherwise with the error.
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

    /// Records that the component has stopped working on this response, whether or not the body is finished.
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

    /// Completes if the head has not been sent within `limit`. Otherwise never completes.
    pub(super) async fn head_overdue(&self, limit: Duration) {
        sleep(limit).await;
        if self.is_answered() {
            std::future::pending::<()>().await;
        }
    }

    /// Completes when `limit` has passed since the end of the body. The component has then worked for too long after
    /// its response.
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

/// The body of a response. Reading it fails if the component ends without finishing the body.
struct GuestBody {
    body: WasiBody,
    end: Option<BodyEnd>,
    /// Whether the body is a body of the host that the component only passes through.
    handed_through: bool,
    /// Whether the body has failed. wasmtime's `is_end_stream` is right only for bodies that have not.
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

    /// Whether all of the body has been read. Also checks the length, because a reader that knows it does not poll for
    /// the end.
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

/// Reports the end of the body when dropped: to the component, and to the worker that runs it.
struct BodyEnd {
    delivery: Arc<ResponseDelivery>,
    /// What the component is told: whether the client received the whole response.
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
            // Fails if the component does not wait for this report.
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
        // Stays set, because wasmtime's wrapper may answer the last poll without polling the host's body.
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
            // wasmtime returns this error for every WASI 0.2 body that the component drops before its end.
            Poll::Ready(Some(Err(HostError::HttpProtocolError))) if !handed_through => {
                this.break_off("the component did not finish its response".into())
            }
            Poll::Ready(Some(Err(error))) => this.break_off(body_error(error)),
            Poll::Pending => {
                let Some(BodyEnd { delivery, .. }) = &this.end else {
                    return Poll::Pending;
                };
                let mut progress = delivery.lock();
                // The component has ended, and all that it wrote has been read, but the body has no end: the component
                // never finished it. This is not so if the host writes the body and the component only passes it
                // through.
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
