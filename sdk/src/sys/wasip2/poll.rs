//! Waiting for pollables of the host.

use std::cell::RefCell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::bindings::wasi::clocks::monotonic_clock;
use super::bindings::wasi::io::poll::{Pollable, poll};
use super::lists;

thread_local! {
    /// Every registered pollable, at the index that its [`Ready`] holds.
    static POLLABLES: RefCell<Vec<Option<Entry>>> = const { RefCell::new(Vec::new()) };
}

struct Entry {
    pollable: Pollable,
    state: State,
}

enum State {
    Idle,
    Waiting(Waker),
    Fired,
}

/// A pollable of the host that futures can wait for, again and again.
///
/// Must be dropped before the resource that the pollable came from: it is a child of it, and the host traps otherwise.
pub(super) struct Ready {
    index: usize,
}

impl Ready {
    pub(super) fn new(pollable: Pollable) -> Self {
        POLLABLES.with_borrow_mut(|pollables| {
            let entry = Some(Entry { pollable, state: State::Idle });
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

    /// Blocks everything until the host says that this is ready.
    pub(super) fn block(&self) {
        POLLABLES.with_borrow(|pollables| {
            if let Some(Some(entry)) = pollables.get(self.index) {
                entry.pollable.block();
            }
        });
    }

    /// Ready once after each time that the host said so; pending and waiting otherwise.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        // What is replaced is dropped after the borrow: a waker may own what waits, and that leaves the list with it.
        let (ready, _replaced) = POLLABLES.with_borrow_mut(|pollables| {
            let Some(Some(entry)) = pollables.get_mut(self.index) else {
                return (Poll::Ready(()), None);
            };
            match &entry.state {
                State::Fired => (Poll::Ready(()), Some(mem::replace(&mut entry.state, State::Idle))),
                State::Waiting(waker) if waker.will_wake(cx.waker()) => (Poll::Pending, None),
                State::Waiting(_) | State::Idle => {
                    (Poll::Pending, Some(mem::replace(&mut entry.state, State::Waiting(cx.waker().clone()))))
                }
            }
        });
        ready
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        // Dropped after the borrow, as in `poll`.
        let _entry = POLLABLES.with_borrow_mut(|pollables| pollables.get_mut(self.index).and_then(Option::take));
    }
}

/// Blocks until the host has something for a waiting future, and wakes those futures.
///
/// # Panics
///
/// Panics if no future waits for the host: then nothing can ever happen.
#[expect(clippy::panic, reason = "nobody is left who could take an error, and the hook answers for the handler")]
pub(super) fn park() {
    // The panic comes after the borrow, because the panic hook drops pollables.
    match POLLABLES.with_borrow_mut(|pollables| wait(pollables)) {
        Woken::None => panic!("the handler waits for something that nothing can bring about any more"),
        Woken::One(waker) => waker.wake(),
        Woken::Several(wakers) => wakers.into_iter().for_each(Waker::wake),
    }
}

/// Who is to be told that something happened. One is what there is most often, and needs no list.
enum Woken {
    None,
    One(Waker),
    Several(Vec<Waker>),
}

fn wait(pollables: &mut [Option<Entry>]) -> Woken {
    let mut waiting = pollables.iter_mut().flatten().filter(|entry| entry.is_waiting());
    let Some(first) = waiting.next() else { return Woken::None };
    if waiting.next().is_none() {
        first.pollable.block();
        return Woken::One(first.fire());
    }
    wait_for_several(pollables)
}

fn wait_for_several(pollables: &mut [Option<Entry>]) -> Woken {
    let mut waiting: Vec<&mut Entry> = pollables.iter_mut().flatten().filter(|entry| entry.is_waiting()).collect();
    let list: Vec<&Pollable> = waiting.iter().map(|entry| &entry.pollable).collect();
    let ready = lists(|| poll(&list));
    Woken::Several(ready.into_iter().filter_map(|index| Some(waiting.get_mut(index as usize)?.fire())).collect())
}

impl Entry {
    fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    fn fire(&mut self) -> Waker {
        match mem::replace(&mut self.state, State::Fired) {
            State::Waiting(waker) => waker,
            State::Idle | State::Fired => Waker::noop().clone(),
        }
    }
}

/// The time of the monotonic clock.
pub(super) fn now() -> Duration {
    Duration::from_nanos(monotonic_clock::now())
}

/// A pollable that is ready after a span of the monotonic clock.
pub(super) fn after(span: Duration) -> Ready {
    Ready::new(monotonic_clock::subscribe_duration(nanos(span)))
}

/// A span as WASI counts it; one beyond what can be counted is as good as for ever.
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Completes after a span of the monotonic clock.
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
