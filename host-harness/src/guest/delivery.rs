//! The answer of a component on its way to the client.

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
use wasmtime_wasi_http::WasiBody;

use super::Failure;
use super::state::State;
use crate::message::body::Body;
use crate::message::body::{BodyError, asks_host, code_of};
use crate::message::error_code::ErrorCode;

/// What the component answered, or why it did not.
pub(super) type GuestResponse = Result<Response<Body>, Failure>;

/// The store of an instance that has come to its end. Dropped, it would make unfinished bodies end as if they were whole.
pub(super) type KeptStore = Arc<Mutex<Store<State>>>;

/// How far an answer has come, shared by those who wait for it, work on it, and read its body.
pub(super) struct Delivery {
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Where the answer goes; missing once it has gone there.
    answer: Option<oneshot::Sender<GuestResponse>>,
    head_sent: bool,
    body_gone: bool,
    /// Whether the component does no more for this answer.
    ended: bool,
    kept: Option<KeptStore>,
    /// Who waits for the next part of the body.
    reader: Option<Waker>,
    /// How many parts of the body were read.
    frames: u64,
    /// Whether the body turned out to be one of the host's, which the component only passed on.
    handed_through: bool,
    /// Told of each step; the requests that share an instance share it.
    changed: Arc<Notify>,
    /// Where the component learns how its response was received.
    received: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl Delivery {
    pub(super) fn new() -> (Arc<Self>, oneshot::Receiver<GuestResponse>) {
        let (answer, answered) = oneshot::channel();
        let progress = Mutex::new(Progress { answer: Some(answer), ..Progress::default() });
        (Arc::new(Self { progress }), answered)
    }

    /// Sets who is told of each step.
    pub(super) fn watch(&self, changed: &Arc<Notify>) {
        self.lock().changed = Arc::clone(changed);
    }

    /// Tells that something has changed.
    pub(super) fn tell(&self) {
        self.lock().changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what the component answered.
    pub(super) fn answer(self: &Arc<Self>, answer: Result<Response<WasiBody>, Failure>) {
        self.lock().head_sent = true;
        self.tell();
        // Made here, so that the worker learns that nobody reads the body also where nobody gets the head.
        let reader = BodyEnd { delivery: Arc::clone(self), received: Err(ErrorCode::ConnectionTerminated) };
        self.send(
            answer.map(|response| {
                response.map(|body| Body::new(GuestBody { body, end: Some(reader), broken_off: false }))
            }),
        );
    }

    /// Sends the failure, if nothing was sent so far; tells whether that was so.
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

    /// Whether the body of the answer has been read or given up.
    pub(super) fn is_over(&self) -> bool {
        self.lock().body_gone
    }

    /// Whether the client can get the rest of the answer without the instance.
    pub(super) fn is_free(&self) -> bool {
        let progress = self.lock();
        progress.body_gone || progress.handed_through || !progress.head_sent
    }

    /// How many parts of the body were read so far, while the client waits for more.
    pub(super) fn waits_after(&self) -> Option<u64> {
        let progress = self.lock();
        progress.reader.is_some().then_some(progress.frames)
    }

    /// Whether the client has gone without an answer.
    pub(super) fn is_unwanted(&self) -> bool {
        self.lock().answer.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    /// Tells how the client received the response.
    pub(super) fn received(&self) -> impl Future<Output = Result<(), ErrorCode>> + Send + 'static {
        let (sender, receiver) = oneshot::channel();
        self.lock().received = Some(sender);
        async { receiver.await.unwrap_or(Ok(())) }
    }

    /// Notes what became of asking for the next part of the body.
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

    /// Says that the component does no more for this answer: what it has not finished never will be.
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

    /// Completes when the head has not been sent in time, and never otherwise.
    pub(super) async fn head_overdue(&self, limit: Duration) {
        sleep(limit).await;
        if self.is_answered() {
            std::future::pending::<()>().await;
        }
    }

    /// Completes when the component goes on for too long after its body has been read or given up.
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

/// The body of a response, which breaks off where the component ended without finishing it.
struct GuestBody {
    body: WasiBody,
    end: Option<BodyEnd>,
    /// Whether it has failed. What wasmtime says of its end holds for a whole body only.
    broken_off: bool,
}

impl GuestBody {
    /// Fails the body, and tells the component why.
    fn break_off(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.broken_off = true;
        if let Some(mut end) = self.end.take() {
            end.received = Err(code_of(&error));
        }
        Poll::Ready(Some(Err(error)))
    }

    /// Whether nothing more is to come; a reader that knows the length does not wait for the end.
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

/// Tells the worker when nobody reads the body any more.
struct BodyEnd {
    delivery: Arc<Delivery>,
    /// What the component is told of how its response was received.
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
            // The component may not care.
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
        let (polled, handed_through) = asks_host(|| Pin::new(&mut this.body).poll_frame(cx));
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
            // What wasmtime says of every body of WASI 0.2 that is dropped before its end.
            Poll::Ready(Some(Err(ErrorCode::HttpProtocolError))) if !handed_through => {
                this.break_off("the component did not finish its response".into())
            }
            Poll::Ready(Some(Err(error))) => this.break_off(error.into()),
            Poll::Pending => {
                let Some(BodyEnd { delivery, .. }) = &this.end else {
                    return Poll::Pending;
                };
                let mut progress = delivery.lock();
                // What was written has been read, and the writer is still there: it never finished. A body that the
                // component handed through has its writer elsewhere.
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
