//! Keeps the newest requests, with all their details.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{Event, Exchange, LogEntry, OutboundCall};

/// The number of requests that are kept.
const REQUESTS: usize = 500;
/// The number of bytes of headers, bodies and output that are kept of all requests together. Beyond it, the oldest
/// requests are dropped.
const BYTES: usize = 32 * 1024 * 1024;
/// The number of outbound calls that are kept of one request.
const CALLS: usize = 100;
/// The number of bytes of output that are kept of one request.
const LOG_BYTES: usize = 64 * 1024;

pub(super) struct History {
    kept: Mutex<Entries>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Entries {
    entries: VecDeque<Entry>,
    /// The number of changes so far. Each entry stores the number of its last change.
    revision: u64,
    bytes: usize,
    /// The number of lost events.
    missed: u64,
}

/// A recorded request.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) exchange: Exchange,
    /// Whether the request has ended.
    pub(super) finished: bool,
    /// Whether events were lost during this request, so that some of its calls or output may be missing.
    pub(super) is_incomplete: bool,
    /// The outbound calls that ended first, [`CALLS`] at most.
    pub(super) calls: Vec<OutboundCall>,
    pub(super) logs: Vec<LogEntry>,
    /// The number of bytes of output that were left out.
    pub(super) unlogged_bytes: usize,
    log_bytes: usize,
    bytes: usize,
    revision: u64,
}

impl Entry {
    fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            finished: false,
            is_incomplete: false,
            calls: Vec::new(),
            logs: Vec::new(),
            unlogged_bytes: 0,
            log_bytes: 0,
            bytes: 0,
            revision: 0,
        }
    }

    /// Returns the reason why the request cannot be sent again.
    pub(super) fn unrepeatable(&self) -> Option<&'static str> {
        let body = &self.exchange.request_body;
        if !self.finished {
            Some("the request has not come to its end")
        } else if !body.is_kept() {
            Some("the body of the request was not kept")
        } else if body.is_cut() {
            Some("the body of the request was longer than what was kept of it")
        } else if !body.is_whole() {
            Some("the component did not read all of the body")
        } else {
            None
        }
    }

    fn log(&mut self, entry: LogEntry) {
        if self.log_bytes + entry.text.len() > LOG_BYTES {
            self.unlogged_bytes += entry.text.len();
            return;
        }
        self.log_bytes += entry.text.len();
        match self.logs.last_mut() {
            // Joins successive pieces, because a component may write one line in several.
            Some(last) if last.stream == entry.stream => last.text.push_str(&entry.text),
            _ => self.logs.push(entry),
        }
    }

    fn count_bytes(&self) -> usize {
        let calls = self.calls.iter().map(OutboundCall::kept_bytes);
        self.exchange.kept_bytes() + calls.sum::<usize>() + self.log_bytes
    }
}

impl History {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), changed: watch::Sender::new(()) }
    }

    pub(super) fn add(&self, event: Event) {
        self.lock().add(event);
        self.changed.send_replace(());
    }

    /// Notes that events were lost, because they came faster than they were processed.
    pub(super) fn missed(&self, events: u64) {
        self.lock().miss(events);
        self.changed.send_replace(());
    }

    pub(super) fn get(&self, number: u64) -> Option<Entry> {
        self.lock().entries.iter().find(|entry| entry.exchange.request == number).cloned()
    }

    /// Returns a receiver that is notified of each change.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Calls `show` with the entries that have changed since a revision and the number of lost events. Returns its
    /// result and the current revision.
    pub(super) fn since<T>(&self, revision: u64, show: impl FnOnce(&[&Entry], u64) -> T) -> (T, u64) {
        let kept = self.lock();
        let changed: Vec<&Entry> = kept.entries.iter().filter(|entry| entry.revision > revision).collect();
        (show(&changed, kept.missed), kept.revision)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn add(&mut self, event: Event) {
        match event {
            Event::Started(exchange) => {
                self.entries.push_back(Entry::new(*exchange));
                if self.entries.len() > REQUESTS {
                    self.drop_oldest();
                }
                let newest = self.entries.back().map(|entry| entry.exchange.request);
                self.change(newest.unwrap_or_default(), |_| {});
            }
            Event::Answered(exchange) => {
                self.recover(&exchange);
                self.change(exchange.request, |entry| entry.exchange = *exchange);
            }
            Event::Wrote(log) => self.change(log.request, |entry| entry.log(log)),
            Event::Called(call) => self.change(call.request, |entry| {
                if entry.calls.len() < CALLS {
                    entry.calls.push(*call);
                }
            }),
            Event::Trapped(trap) => self.change(trap.request, |entry| entry.exchange.trap = Some(trap.reason)),
            Event::Finished(exchange) => {
                self.recover(&exchange);
                self.change(exchange.request, |entry| {
                    entry.exchange = *exchange;
                    entry.finished = true;
                });
            }
        }
        while self.bytes > BYTES && self.entries.len() > 1 {
            self.drop_oldest();
        }
    }

    fn miss(&mut self, events: u64) {
        self.missed += events;
        let unfinished = self.entries.iter().filter(|entry| !entry.finished).map(|entry| entry.exchange.request);
        for number in unfinished.collect::<Vec<_>>() {
            self.change(number, |entry| entry.is_incomplete = true);
        }
    }

    /// Adds an entry for a request whose first event was lost, unless the request is older than all entries.
    fn recover(&mut self, exchange: &Exchange) {
        let number = exchange.request;
        if self.missed == 0 || self.entries.iter().any(|entry| entry.exchange.request == number) {
            return;
        }
        let before = self.entries.iter().rposition(|entry| entry.exchange.request < number);
        if before.is_none() && !self.entries.is_empty() {
            return;
        }
        let place = before.map_or(0, |before| before + 1);
        self.entries.insert(place, Entry { is_incomplete: true, ..Entry::new(exchange.clone()) });
        if self.entries.len() > REQUESTS {
            self.drop_oldest();
        }
    }

    /// Changes an entry, if it is still kept. Searches the newest entries first, because they change most often.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.exchange.request == number) {
            change(entry);
            self.revision += 1;
            entry.revision = self.revision;
            self.bytes -= entry.bytes;
            entry.bytes = entry.count_bytes();
            self.bytes += entry.bytes;
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderValue, Request};

    use super::*;
    use crate::message::body::Body;
    use crate::telemetry::Recorder;

    #[tokio::test]
    async fn fields_count_among_the_bytes_that_are_kept() {
        let (recorder, history) = (Recorder::new(false, None), History::new());
        let mut events = recorder.events();
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert("x-long", HeaderValue::try_from("x".repeat(BYTES / 4)).unwrap());
        for _ in 0..6 {
            drop(recorder.start(&request, &Arc::from("component")));
            // Adds the first and the last event of the request.
            history.add(events.recv().await.unwrap());
            history.add(events.recv().await.unwrap());
        }
        assert_eq!(numbers(&history), [4, 5, 6]);
    }

    fn numbers(history: &History) -> Vec<u64> {
        history.lock().entries.iter().map(|entry| entry.exchange.request).collect()
    }

    /// Returns the first and the last event of each of `count` requests.
    async fn requests(count: usize) -> Vec<[Event; 2]> {
        let recorder = Recorder::new(false, None);
        let mut events = recorder.events();
        let mut all = Vec::new();
        for _ in 0..count {
            drop(recorder.start(&Request::new(Body::empty()), &Arc::from("component")));
            all.push([events.recv().await.unwrap(), events.recv().await.unwrap()]);
        }
        all
    }

    #[tokio::test]
    async fn a_request_whose_beginning_was_lost_is_known_from_its_end() {
        let (history, mut requests) = (History::new(), requests(3).await.into_iter());
        let mut next = || requests.next().unwrap();
        let ([first, _], [_, second], [third, end]) = (next(), next(), next());
        history.add(first);
        history.add(third);
        history.missed(2);
        history.add(second);
        history.add(end);
        assert_eq!(numbers(&history), [1, 2, 3]);
        let state = |number| history.get(number).map(|entry| (entry.finished, entry.is_incomplete)).unwrap();
        assert_eq!((state(1), state(2), state(3)), ((false, true), (true, true), (true, true)));
    }

    #[tokio::test]
    async fn a_request_that_has_given_way_does_not_come_back() {
        let (history, requests) = (History::new(), requests(REQUESTS + 2).await);
        let mut ends = Vec::new();
        for [first, end] in requests {
            history.add(first);
            ends.push(end);
        }
        history.missed(1);
        ends.into_iter().for_each(|end| history.add(end));
        assert_eq!((numbers(&history).len(), numbers(&history)[0]), (REQUESTS, 3));
    }

    #[test]
    fn lost_events_are_told_to_readers() {
        let history = History::new();
        let changes = history.changes();
        history.missed(7);
        assert!(changes.has_changed().unwrap());
        assert_eq!(history.since(0, |_, missed| missed).0, 7);
    }
}
