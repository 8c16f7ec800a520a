//! The unfinished requests of a server.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

/// The most requests that one log message names. The message only counts the others.
const NAMED: usize = 10;

/// Tracks the requests of one server to their end, including work after the response.
#[derive(Default)]
pub(crate) struct Unfinished {
    requests: Mutex<Requests>,
    ended: Notify,
}

#[derive(Default)]
struct Requests {
    begun: u64,
    names: HashMap<u64, Arc<OnceLock<Name>>>,
}

/// Returns the name of a request, such as `#1 GET /a`, or `None` once the request has ended.
type Name = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// An unfinished request. Dropping this value marks the request as finished.
pub(super) struct Ongoing {
    number: u64,
    requests: Arc<Unfinished>,
    name: Arc<OnceLock<Name>>,
}

impl Ongoing {
    /// Sets the name of the request. Only the first call has an effect.
    pub(super) fn named_by(&self, name: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let _ = self.name.set(Box::new(name));
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.requests.end(self.number);
    }
}

impl fmt::Debug for Ongoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ongoing").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Unfinished {
    /// Counts a new request as unfinished.
    pub(super) fn begin(self: &Arc<Self>) -> Ongoing {
        let mut requests = self.lock();
        requests.begun += 1;
        let number = requests.begun;
        let name = Arc::<OnceLock<Name>>::default();
        requests.names.insert(number, Arc::clone(&name));
        Ongoing { number, requests: Arc::clone(self), name }
    }

    fn end(&self, number: u64) {
        let mut requests = self.lock();
        requests.names.remove(&number);
        if requests.names.is_empty() {
            drop(requests);
            self.ended.notify_waiters();
        }
    }

    /// Completes when no request is unfinished.
    pub(crate) async fn none_left(&self) {
        let mut ended = pin!(self.ended.notified());
        loop {
            ended.as_mut().enable();
            if self.lock().names.is_empty() {
                return;
            }
            ended.as_mut().await;
            ended.set(self.ended.notified());
        }
    }

    /// Counts and names the unfinished requests: `2 requests: #1 GET /a, #3 POST /b`. Returns `None` if there are none.
    pub(crate) fn describe(&self) -> Option<String> {
        let mut ongoing: Vec<(u64, Arc<OnceLock<Name>>)> =
            self.lock().names.iter().map(|(number, name)| (*number, Arc::clone(name))).collect();
        if ongoing.is_empty() {
            return None;
        }
        ongoing.sort_unstable_by_key(|(number, _)| *number);
        let count = match ongoing.len() {
            1 => "1 request".to_owned(),
            count => format!("{count} requests"),
        };
        let names: Vec<String> = ongoing.iter().filter_map(|(_, name)| name.get()?()).collect();
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match names.is_empty() {
            true => Some(count),
            false => Some(format!("{count}: {}{more}", names[..names.len().min(NAMED)].join(", "))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished").field("requests", &self.lock().names.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn a_server_waits_until_the_last_request_is_over() {
        let requests = Arc::new(Unfinished::default());
        let (first, second) = (requests.begin(), requests.begin());
        let mut waiting = Box::pin(requests.none_left());
        drop(first);
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(requests.describe().as_deref(), Some("1 request"));
        drop(second);
        assert!(waiting.now_or_never().is_some());
        assert_eq!(requests.describe(), None);
    }
}
