//! The requests of a server that are not over.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use super::client::Client;

/// How many requests are named at most; the others are counted.
const NAMED: usize = 10;

/// Knows the requests of one server until nothing of them is left, work after the response included.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    requests: Mutex<Requests>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Requests {
    begun: u64,
    clients: HashMap<u64, Weak<Client>>,
}

impl Unfinished {
    /// Notes that a request begins. It is over when the last reference to its client is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Arc<Client> {
        let mut requests = self.lock();
        requests.begun += 1;
        let number = requests.begun;
        let client = Arc::new(Client::new(number, Arc::clone(self)));
        requests.clients.insert(number, Arc::downgrade(&client));
        client
    }

    pub(super) fn end(&self, number: u64) {
        let mut requests = self.lock();
        requests.clients.remove(&number);
        if requests.clients.is_empty() {
            drop(requests);
            self.ended.notify_waiters();
        }
    }

    /// Completes when all requests are over.
    pub(crate) async fn none_left(&self) {
        let mut ended = pin!(self.ended.notified());
        loop {
            ended.as_mut().enable();
            if self.lock().clients.is_empty() {
                return;
            }
            ended.as_mut().await;
            ended.set(self.ended.notified());
        }
    }

    /// Tells how many requests are not over, and which: `2 requests: #1 GET /a, #3 POST /b`. Nothing where there are none.
    pub(crate) fn describe(&self) -> Option<String> {
        let mut clients: Vec<(u64, Weak<Client>)> =
            self.lock().clients.iter().map(|(number, client)| (*number, Weak::clone(client))).collect();
        if clients.is_empty() {
            return None;
        }
        clients.sort_unstable_by_key(|(number, _)| *number);
        let count = match clients.len() {
            1 => "1 request".to_owned(),
            count => format!("{count} requests"),
        };
        let names: Vec<String> = clients.iter().filter_map(|(_, client)| client.upgrade()?.request()).collect();
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
