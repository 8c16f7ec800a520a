//! Waits for pollables of the host.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::hint::black_box;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::bindings::wasi::clocks::monotonic_clock;
use super::bindings::wasi::io::poll::{Pollable, poll};
use super::lists;
use crate::sys::executor::nested;
use crate::sys::http::options::nanos;

thread_local! {
    /// Every registered pollable, at the index in its [`Ready`].
    static POLLABLES: RefCell<Vec<Option<Entry>>> = const { RefCell::new(Vec::new()) };
    /// The function that polls all pollables without waiting. [`Ready::new`] stores it, so that a component without
    /// pollables does not contain it.
    static LOOK: Cell<Option<fn()>> = const { Cell::new(None) };
    static ELAPSED: Cell<Option<Elapsed>> = const { Cell::new(None) };
}

struct Entry {
    pollable: Pollable,
    state: WaitState,
}

enum WaitState {
    Idle,
    Waiting(Waker),
    Fired,
}

/// A pollable of the host that futures can wait for repeatedly.
///
/// Must be dropped before the resource that the pollable was made from, because the pollable is a child of that
/// resource: the host traps if the parent is dropped first.
pub(super) struct Ready {
    index: usize,
}

impl Ready {
    pub(super) fn new(pollable: Pollable) -> Self {
        // `black_box` hides from the optimizer that `LOOK` has only this value. Otherwise the optimizer would inline
        // the function at every call.
        LOOK.set(Some(black_box(look_at_all)));
        POLLABLES.with_borrow_mut(|pollables| {
            let entry = Some(Entry { pollable, state: WaitState::Idle });
            let index = match pollables.iter_mut().enumerate().find(|(_, entry)| entry.is_none()) {
                Some((index, free)) => {
                    *free = entry;
                    index
                }
                None => {
                    pollables.push(entry);
                    pollables.len() - 1
                }
            };
            Self { index }
        })
    }

    /// Blocks the thread until the host reports the event.
    pub(super) fn block(&self) {
        POLLABLES.with_borrow(|pollables| {
            if let Some(Some(entry)) = pollables.get(self.index) {
                entry.pollable.block();
            }
        });
    }

    /// Returns `Poll::Ready` once after each event. Otherwise registers the waker for the next event.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let is_own = nested::is_own(cx.waker());
        // A foreign waker is cloned before the borrow, and a replaced waker is dropped after it. Both actions run
        // foreign code, and a waker may own a future that borrows `POLLABLES` when it is dropped.
        let mut foreign = if is_own { None } else { Some(cx.waker().clone()) };
        let (ready, _replaced) = POLLABLES.with_borrow_mut(|pollables| match entry(pollables, self.index) {
            Some(entry) => entry.poll(cx.waker(), &mut foreign),
            None => (Poll::Ready(()), WaitState::Idle),
        });
        if ready.is_pending() && !is_own {
            nested::examine(cx.waker());
        }
        ready
    }

    /// Drops the waker, if there is one.
    pub(super) fn forget_waker(&self) {
        let _replaced = POLLABLES.with_borrow_mut(|pollables| {
            let entry = entry(pollables, self.index).filter(|entry| entry.is_waiting());
            entry.map(|entry| mem::replace(&mut entry.state, WaitState::Idle))
        });
    }
}

fn entry(pollables: &mut [Option<Entry>], index: usize) -> Option<&mut Entry> {
    pollables.get_mut(index)?.as_mut()
}

impl Drop for Ready {
    fn drop(&mut self) {
        // The entry is dropped after the borrow, because dropping its waker runs foreign code.
        let _entry = POLLABLES.with_borrow_mut(|pollables| pollables.get_mut(self.index).and_then(Option::take));
    }
}

/// Blocks until the host reports events for one or more waiting futures, and wakes these futures.
///
/// # Panics
///
/// Panics if no future waits for the host, because then no event can come.
#[expect(clippy::panic, reason = "nobody is left who could take an error, and the hook answers for the handler")]
pub(super) fn park() {
    // The panic comes after the borrow of `POLLABLES`, because the panic hook drops pollables.
    match POLLABLES.with_borrow_mut(|pollables| wait(pollables)) {
        Woken::None => panic!("the handler waits for something that nothing can bring about any more"),
        woken => woken.wake(),
    }
}

/// Wakes the futures whose events have come, without waiting for other events.
pub(super) fn look() {
    if let Some(look) = LOOK.get() {
        look();
    }
}

fn look_at_all() {
    if !POLLABLES.with_borrow(|pollables| pollables.iter().flatten().any(Entry::is_waiting)) {
        return;
    }
    let elapsed = ELAPSED.take().filter(|elapsed| elapsed.looks < Elapsed::LOOKS).unwrap_or_else(Elapsed::new);
    let woken = POLLABLES.with_borrow_mut(|pollables| wait_for_several(pollables, Some(&elapsed.pollable)));
    ELAPSED.set(Some(Elapsed { looks: elapsed.looks + 1, ..elapsed }));
    woken.wake();
}

/// A timer that has expired. If it is added to a list of pollables, polling the list returns at once.
///
/// wasmtime yields to its own other tasks when such a timer is polled for the first time, but never for pollables
/// that are ready. If wasmtime never yields, its timers stop after some hundred polls. So this timer is replaced
/// regularly.
struct Elapsed {
    pollable: Pollable,
    looks: u8,
}

impl Elapsed {
    /// How often a timer is used before it is replaced.
    const LOOKS: u8 = 16;

    fn new() -> Self {
        Self { pollable: monotonic_clock::subscribe_duration(0), looks: 0 }
    }
}

/// The wakers of the futures whose events have come. Usually there is one, which needs no list.
enum Woken {
    None,
    One(Waker),
    Several(Vec<Waker>),
}

impl Woken {
    fn wake(self) {
        match self {
            Self::None => {}
            Self::One(waker) => waker.wake(),
            Self::Several(wakers) => wakers.into_iter().for_each(Waker::wake),
        }
    }
}

fn wait(pollables: &mut [Option<Entry>]) -> Woken {
    let mut waiting = pollables.iter_mut().flatten().filter(|entry| entry.is_waiting());
    let Some(first) = waiting.next() else { return Woken::None };
    if waiting.next().is_none() {
        first.pollable.block();
        return Woken::One(first.fire());
    }
    wait_for_several(pollables, None)
}

/// Waits for the pollables that have a waker, and for `other`, which has none. Returns the wakers of the pollables
/// that are ready.
#[inline(never)]
fn wait_for_several(pollables: &mut [Option<Entry>], other: Option<&Pollable>) -> Woken {
    let mut waiting: Vec<&mut Entry> = pollables.iter_mut().flatten().filter(|entry| entry.is_waiting()).collect();
    let list: Vec<&Pollable> = waiting.iter().map(|entry| &entry.pollable).chain(other).collect();
    let ready = lists(|| poll(&list));
    Woken::Several(ready.into_iter().filter_map(|index| Some(waiting.get_mut(index as usize)?.fire())).collect())
}

impl Entry {
    /// Polls for the event, and stores the waker if it has not come. `clone` may contain a clone of the waker that
    /// was made before. Also returns the replaced state, which the caller must drop after the borrow.
    fn poll(&mut self, waker: &Waker, clone: &mut Option<Waker>) -> (Poll<()>, WaitState) {
        match &self.state {
            WaitState::Fired => {
                self.state = WaitState::Idle;
                (Poll::Ready(()), WaitState::Idle)
            }
            WaitState::Waiting(waiting) if waiting.will_wake(waker) => (Poll::Pending, WaitState::Idle),
            WaitState::Waiting(_) | WaitState::Idle => {
                let waker = clone.take().unwrap_or_else(|| waker.clone());
                (Poll::Pending, mem::replace(&mut self.state, WaitState::Waiting(waker)))
            }
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.state, WaitState::Waiting(_))
    }

    fn fire(&mut self) -> Waker {
        match mem::replace(&mut self.state, WaitState::Fired) {
            WaitState::Waiting(waker) => waker,
            WaitState::Idle | WaitState::Fired => Waker::noop().clone(),
        }
    }
}

/// Returns the time of the monotonic clock.
pub(super) fn now() -> Duration {
    Duration::from_nanos(monotonic_clock::now())
}

/// Makes a pollable that is ready after a duration.
pub(super) fn after(span: Duration) -> Ready {
    Ready::new(monotonic_clock::subscribe_duration(nanos(span)))
}

/// Completes after a duration.
pub(crate) struct Sleep(Ready);

impl Sleep {
    pub(super) fn new(span: Duration) -> Self {
        Self(after(span))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}
