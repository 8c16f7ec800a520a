//! The requests that one instance works on.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use wasmtime::component::GuestTaskId;

use super::job::{Job, Started};
use crate::guest::response::{KeptStore, ResponseDelivery};
use crate::guest::state::InstanceState;
use crate::guest::{Failure, overdue};
use crate::telemetry::{Running, Took};

/// Counts the requests of an instance, and enforces their time limits.
pub(crate) struct Flights {
    /// The number of requests that occupy a place in the instance, including those that it has not received yet.
    seats: AtomicU32,
    state: Mutex<Lists>,
    changed: Arc<Notify>,
    timeout: Duration,
}

#[derive(Default)]
struct Lists {
    /// The number of requests that have begun.
    begun: u64,
    /// The requests that the component may still work on.
    flying: Vec<Flight>,
    /// The requests that the component has finished, but whose response bodies have not been read to the end. The store
    /// must keep running, because it may still have to transfer these bodies to their readers.
    unread: Vec<Unread>,
    /// Whether a request exceeded its time limit. The instance then gets no more requests.
    retired: bool,
}

struct Flight {
    /// The number of the request within this instance. The number of the client's request would not be unique here,
    /// because middleware may pass one request on more than once.
    number: u64,
    running: Running,
    delivery: Arc<ResponseDelivery>,
    task: Option<GuestTaskId>,
    /// The time by which the component must send the head of the response. Each call to the next handler extends it by
    /// the duration of the call.
    deadline: Instant,
    calls: Calls,
    /// Whether the host gave up waiting for the head, because the client had gone or the deadline had passed.
    given_up: bool,
    /// When a check first found that the response body had been read or dropped.
    over: Option<Instant>,
}

struct Unread {
    delivery: Arc<ResponseDelivery>,
    /// When to check again whether the reader still gets frames. `waited_after` is the number of frames that the reader
    /// had received at the last check, if it was waiting for more.
    check: Instant,
    waited_after: Option<u64>,
}

/// The unfinished calls of one request to the next handler. While there are any, the time limit of the next handler
/// applies.
#[derive(Default)]
struct Calls {
    open: u32,
    since: Option<Instant>,
}

/// What to do with an instance after a check of its requests.
enum Verdict {
    /// End the instance: no client needs its work any more, or its work took too long.
    End,
    /// Check again at this time, or earlier if the progress of a request changes.
    Wait(Option<Instant>),
}

impl Flights {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { seats: AtomicU32::new(0), state: Mutex::default(), changed: Arc::default(), timeout }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the `Notify` that is notified at each change in the progress of a request.
    pub(super) fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// Reserves one of `seats` places for a request. Returns whether one was free.
    pub(super) fn reserve(&self, seats: u32) -> bool {
        let take = |taken| (taken < seats).then_some(taken + 1);
        !self.lock().retired && self.seats.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().flying.is_empty()
    }

    /// Adds a request, and starts its time limit.
    pub(super) fn start(&self, job: Job) -> Started {
        let Job { request, running, delivery } = job;
        let mut lists = self.lock();
        lists.begun += 1;
        let number = lists.begun;
        lists.flying.push(Flight {
            number,
            running,
            delivery: Arc::clone(&delivery),
            task: None,
            deadline: Instant::now() + self.timeout,
            calls: Calls::default(),
            given_up: false,
            over: None,
        });
        drop(lists);
        self.changed.notify_waiters();
        (request, delivery, number)
    }

    /// Stores which wasmtime task handles a request.
    pub(super) fn runs_as(&self, number: u64, task: GuestTaskId) {
        self.with(number, |flight| flight.task = Some(task));
    }

    /// Attributes the output and the outbound calls that follow to the request that a task handles.
    pub(super) fn turn_to(&self, task: GuestTaskId, state: &mut InstanceState) {
        if let Some(flight) = self.lock().flying.iter().find(|flight| flight.task == Some(task)) {
            state.turn_to(&flight.running);
            state.flight = flight.number;
        }
    }

    /// Records that the next handler works on a request, until the returned guard is dropped.
    pub(crate) fn calls_next(self: &Arc<Self>, number: u64) -> CallsNext {
        self.with(number, |flight| {
            flight.calls.open += 1;
            flight.calls.since.get_or_insert_with(Instant::now);
        });
        CallsNext { flights: Arc::clone(self), number }
    }

    fn with(&self, number: u64, change: impl FnOnce(&mut Flight)) {
        // The request may have been removed already, while the component continues work that it started for the
        // request.
        if let Some(flight) = self.lock().flying.iter_mut().find(|flight| flight.number == number) {
            change(flight);
        }
    }

    /// Records that the component has finished its work on all requests.
    pub(super) fn rest(&self, busy: Duration, took: Took) {
        let mut lists = self.lock();
        let lists = &mut *lists;
        for flight in lists.flying.drain(..) {
            flight.running.used(busy, took);
            let check = Instant::now() + self.timeout;
            lists.unread.push(Unread { delivery: flight.delivery, check, waited_after: None });
            self.seats.fetch_sub(1, Ordering::AcqRel);
        }
        lists.unread.retain(|unread| !unread.delivery.is_free());
        self.changed.notify_waiters();
    }

    /// Completes when all finished responses have been read, or can be read without the instance.
    pub(super) async fn drained(&self) {
        let mut changed = pin!(self.changed.notified());
        loop {
            changed.as_mut().enable();
            if self.lock().unread.iter().all(|unread| unread.delivery.is_free()) {
                return;
            }
            changed.as_mut().await;
            changed.set(self.changed.notified());
        }
    }

    /// Completes when no client needs the instance any more, or when the instance exceeds its time limit.
    pub(super) async fn unwanted(&self) {
        let mut changed = pin!(self.changed.notified());
        loop {
            changed.as_mut().enable();
            match self.check(Instant::now()) {
                Verdict::End => return,
                Verdict::Wait(None) => changed.as_mut().await,
                Verdict::Wait(Some(until)) => tokio::select! {
                    () = changed.as_mut() => {}
                    () = sleep_until(until) => {}
                },
            }
            changed.set(self.changed.notified());
        }
    }

    fn check(&self, now: Instant) -> Verdict {
        let mut lists = self.lock();
        let lists = &mut *lists;
        lists.unread.retain(|unread| !unread.delivery.is_free());
        for unread in &mut lists.unread {
            unread.check(now, self.timeout);
        }
        let check = lists.unread.iter().map(|unread| unread.check).min();
        let (mut active, mut wake) = (0, check);
        for flight in &mut lists.flying {
            if flight.given_up || flight.over.is_some() {
                continue;
            }
            if flight.delivery.is_over() {
                flight.over = Some(now);
            } else if flight.delivery.is_answered() {
                active += 1;
            } else if flight.delivery.is_unwanted() {
                flight.given_up = true;
            } else if flight.calls.open > 0 {
                active += 1;
            } else if now >= flight.deadline {
                overdue(&flight.running, &flight.delivery, self.timeout);
                flight.given_up = true;
                lists.retired = true;
            } else {
                active += 1;
                wake = Some(wake.map_or(flight.deadline, |wake| wake.min(flight.deadline)));
            }
        }
        if active > 0 {
            self.release(&mut lists.flying);
            return Verdict::Wait(wake);
        }
        let Some(last) = lists.flying.iter().filter_map(|flight| flight.over).max() else {
            return if lists.flying.is_empty() { Verdict::Wait(check) } else { Verdict::End };
        };
        if now < last + self.timeout {
            return Verdict::Wait(Some(last + self.timeout));
        }
        // Reports the exceeded time limit only if the host has received all response heads. If the host gave up waiting
        // for one, it is unknown which request the component still works on.
        if let Some(flight) = lists.flying.last()
            && lists.flying.iter().all(|flight| !flight.given_up)
        {
            overdue(&flight.running, &flight.delivery, self.timeout);
        }
        Verdict::End
    }

    /// Frees the places of requests whose response is complete, while the instance works on other requests. The usage
    /// of the completed requests is not recorded, because the component may still work on them.
    fn release(&self, flying: &mut Vec<Flight>) {
        let before = flying.len();
        flying.retain(|flight| flight.over.is_none());
        let released = u32::try_from(before - flying.len()).unwrap_or(u32::MAX);
        self.seats.fetch_sub(released, Ordering::AcqRel);
    }

    /// Responds to all clients of a trapped instance. Records the trap for the request that caused it. For the other
    /// requests, records that the trap ended them as well.
    pub(super) fn trapped(&self, culprit: Option<GuestTaskId>, reason: &str) {
        let lists = self.lock();
        let culprit = match lists.flying.as_slice() {
            [only] => Some(only),
            flying => flying.iter().find(|flight| culprit.is_some() && flight.task == culprit),
        };
        for flight in &lists.flying {
            let what = match culprit {
                Some(culprit) if culprit.number == flight.number => reason.to_owned(),
                _ if flight.over.is_some() || flight.given_up => continue,
                Some(culprit) => {
                    let number = culprit.running.request;
                    format!("collateral of request {number}, which ended the instance of both")
                }
                None => {
                    format!("collateral of what an earlier request left behind, which ended the instance: {reason}")
                }
            };
            flight.running.trapped(what);
            flight.delivery.fail(Failure::Trapped);
        }
    }

    /// Ends the remaining requests, because the instance has ended. The store of the instance is kept until the
    /// unfinished response bodies have been read or dropped.
    pub(super) fn end(&self, busy: Duration, took: Took, kept: &KeptStore) {
        let mut lists = self.lock();
        let lists = &mut *lists;
        for flight in lists.flying.drain(..) {
            flight.running.used(busy, took);
            flight.delivery.fail(Failure::Trapped);
            flight.delivery.end(Some(kept));
        }
        for unread in lists.unread.drain(..) {
            unread.delivery.end(Some(kept));
        }
    }
}

/// A guard: the next handler works on a request until the guard is dropped.
pub(crate) struct CallsNext {
    flights: Arc<Flights>,
    number: u64,
}

impl Drop for CallsNext {
    fn drop(&mut self) {
        self.flights.with(self.number, |flight| {
            flight.calls.open -= 1;
            if flight.calls.open == 0
                && let Some(since) = flight.calls.since.take()
            {
                flight.deadline += since.elapsed();
            }
        });
        self.flights.changed.notify_waiters();
    }
}

impl Unread {
    /// Fails a body whose reader has waited for the same frame since the last check. The component has finished, so
    /// nothing writes to the body any more.
    fn check(&mut self, now: Instant, timeout: Duration) {
        if now < self.check {
            return;
        }
        let waits_after = self.delivery.waits_after();
        if waits_after.is_some() && waits_after == self.waited_after {
            self.delivery.end(None);
        }
        self.waited_after = waits_after;
        self.check = now + timeout;
    }
}
