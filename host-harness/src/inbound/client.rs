//! The client of a request, as far as the request depends on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::unfinished::{Ongoing, Unfinished};
use crate::message::client_fault::ClientFault;

/// The client of one request over a socket. It is dropped when the request is over: answered, read to its end, and with
/// no more work of the component.
#[derive(Debug)]
pub(crate) struct Client {
    request: Ongoing,
    is_awaited: AtomicBool,
    fault: OnceLock<ClientFault>,
}

impl Client {
    /// The client of a request that begins.
    pub(crate) fn of_new_request(requests: &Arc<Unfinished>) -> Self {
        Self { request: requests.begin(), is_awaited: AtomicBool::new(false), fault: OnceLock::new() }
    }

    /// Sets how the request is named in messages. The first call counts: middleware and the component behind it share one
    /// request.
    pub(crate) fn named_by(&self, name: impl Fn() -> Option<String> + Send + Sync + 'static) {
        self.request.named_by(name);
    }

    /// Notes whether the component waits for more of the request body.
    pub(crate) fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited, Ordering::Relaxed);
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed)
    }

    /// Notes why the request ended early. The first cause stays.
    pub(crate) fn blame(&self, fault: ClientFault) {
        let _ = self.fault.set(fault);
    }

    pub(crate) fn fault(&self) -> Option<ClientFault> {
        self.fault.get().copied()
    }
}
