//! The state that a request body and the body of its response share.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::activity::Activity;
use crate::inbound::Client;

/// How many bytes of request bodies the server reads and discards on a connection. Without it, a response that is sent
/// before the end of its request might not arrive.
pub(super) const DISCARD_BYTES: u64 = 256 * 1024 * 1024;

/// How long an HTTP/2 response waits for the end of a request body that is being discarded.
const DISCARD_WAIT: Duration = Duration::from_millis(200);

/// How long an HTTP/2 response waits for the component to drop the request body.
const GIVE_UP_WAIT: Duration = Duration::from_millis(20);

/// A request on a connection. It ends when its body and its response have been transferred or dropped.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) client: Arc<Client>,
    pub(super) activity: Arc<Activity>,
    /// How long the client may be inactive.
    pub(super) limit: Duration,
    /// Whether the connection closes after the response.
    closes: AtomicBool,
    given_up: Event,
    received: Event,
    answered: Event,
    /// Whether the response has waited for the request body as long as it may.
    has_waited: AtomicBool,
}

impl Transfer {
    pub(super) fn begin(
        client: Arc<Client>,
        activity: Arc<Activity>,
        limit: Duration,
        is_http2: bool,
        closes: bool,
    ) -> Arc<Self> {
        activity.request_began(is_http2);
        let closes = AtomicBool::new(closes);
        Arc::new(Self {
            client,
            activity,
            limit,
            closes,
            given_up: Event::default(),
            received: Event::default(),
            answered: Event::default(),
            has_waited: AtomicBool::new(false),
        })
    }

    /// The event that the component has dropped the request body before its end. The server then discards the rest.
    pub(super) fn given_up(&self) -> &Event {
        &self.given_up
    }

    /// The event that the request body has been read, discarded or given up.
    pub(super) fn received(&self) -> &Event {
        &self.received
    }

    /// The event that the response has been sent or dropped.
    pub(super) fn answered(&self) -> &Event {
        &self.answered
    }

    /// Whether an HTTP/2 response need not wait for the request body any more.
    pub(super) fn is_settled(&self) -> bool {
        self.received.has_happened() || self.has_waited.load(Ordering::Relaxed)
    }

    /// Waits a moment for the end of a request body that the component dropped: many HTTP/2 clients report an error if
    /// the response ends before their request. `is_last` says that the response is an error or ends now, so that the
    /// component will probably drop the body soon.
    pub(super) async fn settle(&self, is_last: bool) {
        if is_last && !self.is_settled() && !self.given_up.has_happened() {
            let _ = timeout(GIVE_UP_WAIT, async {
                tokio::select! {
                    () = self.given_up.wait() => {}
                    () = self.received.wait() => {}
                }
            })
            .await;
        }
        if !self.is_settled() && self.given_up.has_happened() {
            // After this wait, the response is sent even if the request has not ended. The rest of the request is still
            // discarded.
            let _ = timeout(DISCARD_WAIT, self.received.wait()).await;
        }
        if is_last || self.given_up.has_happened() {
            self.has_waited.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn closes(&self) -> bool {
        self.closes.load(Ordering::Relaxed)
    }

    /// Records that the connection closes after the response.
    pub(super) fn close(&self) {
        self.closes.store(true, Ordering::Relaxed);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.activity.request_ended(Instant::now());
    }
}

/// An event that happens once.
#[derive(Debug, Default)]
pub(super) struct Event {
    has_happened: AtomicBool,
    happens: Notify,
}

impl Event {
    pub(super) fn happen(&self) {
        self.has_happened.store(true, Ordering::Release);
        self.happens.notify_waiters();
    }

    pub(super) fn has_happened(&self) -> bool {
        self.has_happened.load(Ordering::Acquire)
    }

    pub(super) async fn wait(&self) {
        let mut happens = pin!(self.happens.notified());
        happens.as_mut().enable();
        if !self.has_happened() {
            happens.await;
        }
    }
}
