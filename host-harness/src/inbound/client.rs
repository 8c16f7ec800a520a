//! The client of a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::unfinished::{Ongoing, Unfinished};
use crate::message::client_fault::ClientFault;

/// The client of one request over a socket. Dropped when the request is over: the response is sent, the request body is
/// read, and the component has finished its work.
#[derive(Debug)]
pub(crate) struct Client {
    request: Ongoing,
    is_awaited: AtomicBool,
    fault: OnceLock<ClientFault>,
}

impl Client {
    /// Makes the client of a new request.
    pub(crate) fn of_new_request(requests: &Arc<Unfinished>) -> Self {
        Self { request: requests.begin(), is_awaited: AtomicBool::new(false), fault: OnceLock::new() }
    }

    /// Sets the name of the request in log messages. Only the first call has an effect, because middleware and the
    /// component behind it share one request.
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

    /// Records the fault of the client that ended the request early. Only the first call has an effect.
    pub(crate) fn blame(&self, fault: ClientFault) {
        let _ = self.fault.set(fault);
    }

    pub(crate) fn fault(&self) -> Option<ClientFault> {
        self.fault.get().copied()
    }
}
