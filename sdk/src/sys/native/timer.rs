//! Timers on the clock of the thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::executor::nested;

thread_local! {
    static TIMERS: RefCell<Timers> = const { RefCell::new(Timers { last: 0, wakers: BTreeMap::new() }) };
}

/// The stopped clock of a thread. It moves only when a test calls `advance`, or when the thread waits for a timer.
#[derive(Clone, Copy)]
pub(crate) struct Paused {
    now: Instant,
}

thread_local! {
    static PAUSED: Cell<Option<Paused>> = const { Cell::new(None) };
}

/// Stops or starts the clock of this thread. Returns whether it was stopped.
pub(crate) fn set_paused(paused: bool) -> bool {
    PAUSED.replace(paused.then(|| Paused { now: now() })).is_some()
}

/// Returns the stopped clock of this thread, or `None` if the thread uses the system clock.
pub(crate) fn clock() -> Option<Paused> {
    PAUSED.get()
}

/// Replaces the clock of this thread, and returns the previous one.
pub(crate) fn set_clock(clock: Option<Paused>) -> Option<Paused> {
    PAUSED.replace(clock)
}

/// Moves the clock of this thread forward if it is stopped.
pub(crate) fn advance(span: Duration) {
    if let Some(paused) = PAUSED.get() {
        PAUSED.set(Some(Paused { now: later(paused.now, span) }));
    }
}

/// Returns the time since the first call of this function on this thread.
pub(crate) fn elapsed() -> Duration {
    thread_local! {
        static START: Instant = now();
    }
    now().saturating_duration_since(START.with(|start| *start))
}

fn now() -> Instant {
    PAUSED.get().map_or_else(Instant::now, |paused| paused.now)
}

/// Adds a duration to a time. If the sum overflows, adds 100 years instead.
fn later(moment: Instant, span: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_secs(86_400 * 365 * 100);
    moment.checked_add(span).or_else(|| moment.checked_add(FOR_EVER)).unwrap_or(moment)
}

/// The timers of a thread.
struct Timers {
    /// The number of the newest timer.
    last: u64,
    /// The wakers, by the deadlines and numbers of their timers.
    wakers: BTreeMap<(Instant, u64), Waker>,
}

pub(crate) struct Sleep {
    deadline: Instant,
    /// The number of this timer in `TIMERS`, once it is registered there.
    number: Option<u64>,
}

impl Sleep {
    pub(super) fn new(span: Duration) -> Self {
        Self { deadline: later(now(), span), number: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if now() >= self.deadline {
            return Poll::Ready(());
        }
        // The waker is cloned before the borrow, and a replaced waker is dropped after it. Both actions run foreign
        // code, and a waker may own a timer, which borrows `TIMERS` when it is dropped.
        let waker = cx.waker().clone();
        let _replaced = TIMERS.with_borrow_mut(|timers| {
            let number = *self.number.get_or_insert_with(|| {
                timers.last += 1;
                timers.last
            });
            timers.wakers.insert((self.deadline, number), waker)
        });
        if !nested::is_own(cx.waker()) {
            nested::examine(cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            // When a thread ends, `TIMERS` may be dropped before this future.
            let _waker = TIMERS.try_with(|timers| timers.borrow_mut().wakers.remove(&(self.deadline, number)));
        }
    }
}

/// Waits until the first timer of this thread expires or the thread is unparked. Then wakes the futures of all
/// expired timers.
///
/// If the clock is stopped, moves it to the deadline of the first timer instead of waiting, because no other event
/// can come before that deadline.
pub(super) fn park() {
    let first = TIMERS.with_borrow(|timers| timers.wakers.first_key_value().map(|((deadline, _), _)| *deadline));
    let span = first.map(|deadline| deadline.saturating_duration_since(now()));
    match span {
        Some(span) if PAUSED.get().is_some() => advance(span),
        Some(Duration::ZERO) => {}
        Some(span) => thread::park_timeout(span),
        None => thread::park(),
    }
    wake_due();
}

/// Wakes the futures of all expired timers of this thread.
pub(super) fn wake_due() {
    if TIMERS.with_borrow(|timers| timers.wakers.is_empty()) {
        return;
    }
    let now = now();
    let mut due = Vec::new();
    TIMERS.with_borrow_mut(|timers| {
        while let Some(timer) = timers.wakers.first_entry()
            && timer.key().0 <= now
        {
            due.push(timer.remove());
        }
    });
    due.into_iter().for_each(Waker::wake);
}
