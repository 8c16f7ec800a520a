//! The newest requests, with all that is known of them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{Call, Event, Exchange, LogEntry};

/// How many requests are kept.
const REQUESTS: usize = 500;
/// How many bytes of fields, bodies and output are kept of all of them; the oldest requests give way.
const BYTES: usize = 32 * 1024 * 1024;
/// How many calls are kept of one request.
const CALLS: usize = 100;
/// How many bytes of output are kept of one request.
const LOG_BYTES: usize = 64 * 1024;

pub(super) struct History {
    kept: Mutex<Kept>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Kept {
    entries: VecDeque<Entry>,
    /// Counts changes; an entry that changed has the number of its last one.
    revision: u64,
    bytes: usize,
    /// How many events were lost.
    missed: u64,
}

/// What is known of one request.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) exchange: Exchange,
    /// Whether nothing more will come.
    pub(super) finished: bool,
    /// The calls that have ended, the first ones.
    pub(super) calls: Vec<Call>,
    pub(super) logs: Vec<LogEntry>,
    /// How many bytes of output were left out.
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
            calls: Vec::new(),
            logs: Vec::new(),
            unlogged_bytes: 0,
            log_bytes: 0,
            bytes: 0,
            revision: 0,
        }
    }

    /// Why the request cannot be sent again, if it cannot.
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
            // Formatted output comes in pieces.
            Some(last) if last.stream == entry.stream => last.text.push_str(&entry.text),
            _ => self.logs.push(entry),
        }
    }

    fn count_bytes(&self) -> usize {
        let calls = self.calls.iter().map(Call::kept_bytes);
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

    pub(super) fn missed(&self, events: u64) {
        self.lock().missed += events;
        self.changed.send_replace(());
    }

    pub(super) fn get(&self, number: u64) -> Option<Entry> {
        self.lock().entries.iter().find(|entry| entry.exchange.request == number).cloned()
    }

    /// Says that something is new.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Shows what changed since a revision, and tells the revision of now. The number of events that were lost comes with it.
    pub(super) fn since<T>(&self, revision: u64, show: impl FnOnce(&[&Entry], u64) -> T) -> (T, u64) {
        let kept = self.lock();
        let changed: Vec<&Entry> = kept.entries.iter().filter(|entry| entry.revision > revision).collect();
        (show(&changed, kept.missed), kept.revision)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
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
            Event::Answered(exchange) => self.change(exchange.request, |entry| entry.exchange = *exchange),
            Event::Wrote(log) => self.change(log.request, |entry| entry.log(log)),
            Event::Called(call) => self.change(call.request, |entry| {
                if entry.calls.len() < CALLS {
                    entry.calls.push(*call);
                }
            }),
            Event::Trapped(trap) => self.change(trap.request, |entry| entry.exchange.trap = Some(trap.reason)),
            Event::Finished(exchange) => self.change(exchange.request, |entry| {
                entry.exchange = *exchange;
                entry.finished = true;
            }),
        }
        while self.bytes > BYTES && self.entries.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Changes an entry that is still there; most are among the newest.
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
    use crate::Body;
    use crate::telemetry::Recorder;

    #[tokio::test]
    async fn fields_count_among_the_bytes_that_are_kept() {
        let (recorder, history) = (Recorder::new(false, None), History::new());
        let mut events = recorder.events();
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert("x-long", HeaderValue::try_from("x".repeat(BYTES / 4)).unwrap());
        for _ in 0..6 {
            drop(recorder.start(&request, &Arc::from("component")));
            // It starts, and it is finished.
            history.add(events.recv().await.unwrap());
            history.add(events.recv().await.unwrap());
        }
        let kept: Vec<_> = history.lock().entries.iter().map(|entry| entry.exchange.request).collect();
        assert_eq!(kept, [4, 5, 6]);
    }
}
