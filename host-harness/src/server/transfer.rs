//! The shared state of a request body and its response body.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::activity::Activity;
use crate::inbound::Client;

/// How many bytes of request bodies are read and discarded on a connection, so that early responses arrive.
pub(super) const DISCARD_BYTES: u64 = 256 * 1024 * 1024;

/// How long a response of HTTP/2 waits for a discarded request body.
const DISCARD_WAIT: Duration = Duration::from_millis(200);

/// How long it waits for the component to drop the body.
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

    /// Completes when the component has dropped the request body. The rest is discarded.
    pub(super) fn given_up(&self) -> &Event {
        &self.given_up
    }

    /// Completes when the request body has been read or dropped.
    pub(super) fn received(&self) -> &Event {
        &self.received
    }

    /// Completes when the response has been sent or dropped.
    pub(super) fn answered(&self) -> &Event {
        &self.answered
    }

    /// Whether the response of HTTP/2 no longer waits for the request body.
    pub(super) fn is_settled(&self) -> bool {
        self.received.has_happened() || self.has_waited.load(Ordering::Relaxed)
    }

    /// Waits a moment for the end of a request body that the component dropped: many HTTP/2 clients report an error if
    /// the response ends before their request. `is_last` says that the component will probably drop the body, if it has
    /// not yet.
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
            // Afterwards the response is sent first, and the rest of the request is discarded.
            let _ = timeout(DISCARD_WAIT, self.received.wait()).await;
        }
        if is_last || self.given_up.has_happened() {
            self.has_waited.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn closes(&self) -> bool {
        self.closes.load(Ordering::Relaxed)
    }

    /// Closes the connection after the response.
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
