//! The table of waitables: the ends of streams and futures, and calls in progress.
//!
//! The component model keeps the handles of all waitables in one table of the instance, so this table keeps their
//! states at the same indexes. Its methods run no code of users: they return wakers and callbacks, which the caller
//! runs once the table is no longer borrowed.

use std::ffi::c_void;
use std::mem;
use std::task::{Poll, Waker};

/// The value that is used in place of a set's handle if there is no set.
const NO_SET: u32 = 0;

/// The functions of the host for waitable sets.
pub(in crate::sys) trait WaitableSets {
    /// The data of an unattended write: a write whose end no future waits for.
    type Unattended;

    /// Moves a waitable into a set, or out of its set if `set` is 0.
    fn join(waitable: u32, set: u32);
}

/// The state of every waitable, by its handle.
pub(in crate::sys) struct Waitables<S: WaitableSets> {
    entries: Vec<Waitable<S::Unattended>>,
    /// The number of entries that have a receiver for their next event.
    awaited: u32,
}

struct Waitable<U> {
    /// The set that contains the waitable, or `NO_SET`.
    set: u32,
    state: WaitState<U>,
}

impl<U> Default for Waitable<U> {
    fn default() -> Self {
        Self { set: NO_SET, state: WaitState::Idle }
    }
}

/// The state of a waitable: the receiver of its next event, or a state without a receiver.
pub(in crate::sys) enum WaitState<U> {
    Idle,
    /// A future waits for the event.
    Waiting(Waker),
    /// The event with this code has come, and the future has not been polled since.
    Happened(u32),
    /// Code that `wit-bindgen` generated waits for the event.
    Foreign(Foreign),
    /// A write whose end no future waits for.
    Unattended(U),
    /// The reader of an alarm's stream, which wakes a task.
    Alarm,
}

/// A callback for an event, and its argument. Generated code promises that the callback may be called with this
/// argument until it is removed.
#[derive(Clone, Copy)]
pub(in crate::sys) struct Foreign {
    pub(in crate::sys) callback: unsafe extern "C" fn(*mut c_void, u32),
    pub(in crate::sys) pointer: *mut c_void,
}

impl<S: WaitableSets> Waitables<S> {
    pub(in crate::sys) const fn new() -> Self {
        Self { entries: Vec::new(), awaited: 0 }
    }

    /// Polls for the event of an operation in progress. Also returns the previous state, which the caller drops once
    /// the table is no longer borrowed.
    pub(in crate::sys) fn poll(
        &mut self,
        waitable: u32,
        set: u32,
        waker: impl FnOnce() -> Waker,
    ) -> (Poll<u32>, WaitState<S::Unattended>) {
        let entry = entry(&mut self.entries, waitable);
        if let WaitState::Happened(code) = entry.state {
            entry.state = WaitState::Idle;
            return (Poll::Ready(code), WaitState::Idle);
        }
        entry.join::<S>(waitable, set);
        (Poll::Pending, entry.replace(&mut self.awaited, WaitState::Waiting(waker())))
    }

    /// Registers a receiver for the next event of a waitable. Returns the previous state.
    pub(in crate::sys) fn register(
        &mut self,
        waitable: u32,
        set: u32,
        state: WaitState<S::Unattended>,
    ) -> WaitState<S::Unattended> {
        let entry = entry(&mut self.entries, waitable);
        entry.join::<S>(waitable, set);
        entry.replace(&mut self.awaited, state)
    }

    /// Stops waiting for the event of a waitable, and removes the waitable from its set. Returns the receiver, or the
    /// event if it has come already.
    pub(in crate::sys) fn withdraw(&mut self, waitable: u32) -> WaitState<S::Unattended> {
        let Some(entry) = self.entries.get_mut(waitable as usize) else {
            return WaitState::Idle;
        };
        entry.join::<S>(waitable, NO_SET);
        entry.replace(&mut self.awaited, WaitState::Idle)
    }

    /// Notes that a waitable is about to be dropped, and that the host may reuse its handle. The host removes a
    /// dropped waitable from its set.
    pub(in crate::sys) fn forget(&mut self, waitable: u32) -> WaitState<S::Unattended> {
        let Some(entry) = self.entries.get_mut(waitable as usize) else {
            return WaitState::Idle;
        };
        entry.set = NO_SET;
        entry.replace(&mut self.awaited, WaitState::Idle)
    }

    /// Notes the event of a waitable, and returns the receiver. The caller then wakes the waker, calls the callback,
    /// or ends the write that it received.
    pub(in crate::sys) fn deliver(&mut self, waitable: u32, code: u32) -> WaitState<S::Unattended> {
        let entry = entry(&mut self.entries, waitable);
        match entry.state {
            WaitState::Waiting(_) => return entry.replace(&mut self.awaited, WaitState::Happened(code)),
            WaitState::Foreign(_) => entry.join::<S>(waitable, NO_SET),
            WaitState::Unattended(_) | WaitState::Alarm => entry.set = NO_SET,
            WaitState::Idle | WaitState::Happened(_) => {}
        }
        entry.replace(&mut self.awaited, WaitState::Idle)
    }

    /// Whether any waitable has a receiver for its next event.
    pub(in crate::sys) fn any_awaited(&self) -> bool {
        self.awaited > 0
    }

    /// Removes all waitables from a set, which can then be reused. Returns the wakers of the futures that waited in it.
    pub(in crate::sys) fn clear(&mut self, set: u32) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for (waitable, entry) in self.entries.iter_mut().enumerate().filter(|(_, entry)| entry.set == set) {
            entry.join::<S>(waitable as u32, NO_SET);
            if matches!(entry.state, WaitState::Waiting(_))
                && let WaitState::Waiting(waker) = entry.replace(&mut self.awaited, WaitState::Idle)
            {
                wakers.push(waker);
            }
        }
        wakers
    }
}

/// Returns the entry of a waitable, and makes the table long enough for it.
#[expect(clippy::indexing_slicing, reason = "the table is made long enough before")]
fn entry<U>(entries: &mut Vec<Waitable<U>>, waitable: u32) -> &mut Waitable<U> {
    let index = waitable as usize;
    if entries.len() <= index {
        entries.resize_with(index + 8, Waitable::default);
    }
    &mut entries[index]
}

impl<U> Waitable<U> {
    fn join<S: WaitableSets>(&mut self, waitable: u32, set: u32) {
        if self.set != set {
            self.set = set;
            S::join(waitable, set);
        }
    }

    /// Changes the state, and returns the previous one. Keeps `awaited`, the number of entries with a receiver, up to
    /// date.
    fn replace(&mut self, awaited: &mut u32, state: WaitState<U>) -> WaitState<U> {
        *awaited += u32::from(state.is_receiver());
        let old = mem::replace(&mut self.state, state);
        *awaited -= u32::from(old.is_receiver());
        old
    }
}

impl<U> WaitState<U> {
    fn is_receiver(&self) -> bool {
        !matches!(self, Self::Idle | Self::Happened(_))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::ptr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    thread_local! {
        /// The calls of `FakeHost::join`: each waitable, and the set that it joined.
        static JOINED: RefCell<Vec<(u32, u32)>> = const { RefCell::new(Vec::new()) };
    }

    struct FakeHost;

    impl WaitableSets for FakeHost {
        type Unattended = &'static str;

        fn join(waitable: u32, set: u32) {
            JOINED.with_borrow_mut(|joined| joined.push((waitable, set)));
        }
    }

    /// Returns the calls of `FakeHost::join` since the last call of this function.
    fn joined() -> Vec<(u32, u32)> {
        JOINED.take()
    }

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn table() -> Waitables<FakeHost> {
        joined();
        Waitables::new()
    }

    fn is_pending(table: &mut Waitables<FakeHost>, waitable: u32, set: u32) -> bool {
        table.poll(waitable, set, || Waker::noop().clone()).0.is_pending()
    }

    extern "C" fn callback(_: *mut c_void, _: u32) {}

    fn foreign() -> WaitState<&'static str> {
        WaitState::Foreign(Foreign { callback, pointer: ptr::null_mut() })
    }

    #[test]
    fn a_future_gets_its_event_once() {
        let mut table = table();
        assert!(is_pending(&mut table, 5, 1));
        assert!(matches!(table.deliver(5, 16), WaitState::Waiting(_)));
        assert_eq!(table.poll(5, 1, || Waker::noop().clone()).0, Poll::Ready(16));
        assert!(is_pending(&mut table, 5, 1), "the event was taken");
    }

    #[test]
    fn an_event_is_delivered_to_the_last_waker() {
        let mut table = table();
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let (_, replaced) = table.poll(5, 1, || first.clone().into());
        assert!(matches!(replaced, WaitState::Idle));
        let (_, replaced) = table.poll(5, 1, || second.clone().into());
        assert!(matches!(replaced, WaitState::Waiting(_)), "the caller drops the first waker");
        let WaitState::Waiting(waker) = table.deliver(5, 0) else { panic!("no waker") };
        waker.wake();
        assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
    }

    #[test]
    fn a_waker_is_not_cloned_for_an_event_that_has_come() {
        let mut table = table();
        assert!(is_pending(&mut table, 5, 1));
        table.deliver(5, 16);
        assert_eq!(table.poll(5, 1, || panic!("cloned")).0, Poll::Ready(16));
    }

    #[test]
    fn a_waitable_joins_a_set_once_and_follows_its_poller() {
        let mut table = table();
        assert!(is_pending(&mut table, 5, 1));
        assert!(is_pending(&mut table, 5, 1));
        assert!(is_pending(&mut table, 5, 2));
        assert_eq!(joined(), [(5, 1), (5, 2)]);
    }

    #[test]
    fn withdrawing_returns_an_event_that_has_come() {
        let mut table = table();
        assert!(matches!(table.withdraw(5), WaitState::Idle), "an unknown waitable");
        assert!(is_pending(&mut table, 5, 1));
        assert!(matches!(table.withdraw(5), WaitState::Waiting(_)));
        assert!(is_pending(&mut table, 5, 1));
        table.deliver(5, 32);
        assert!(matches!(table.withdraw(5), WaitState::Happened(32)));
        assert!(matches!(table.withdraw(5), WaitState::Idle));
        assert_eq!(joined(), [(5, 1), (5, 0), (5, 1), (5, 0)]);
    }

    #[test]
    fn a_forgotten_waitable_is_not_removed_from_its_set() {
        let mut table = table();
        assert!(is_pending(&mut table, 5, 1));
        table.deliver(5, 16);
        assert!(matches!(table.forget(5), WaitState::Happened(16)));
        assert_eq!(joined(), [(5, 1)], "the host has removed it");
        assert!(is_pending(&mut table, 5, 1), "a new waitable with this handle has no event");
        assert_eq!(joined(), [(5, 1)], "it joins anew");
        assert!(matches!(table.forget(4711), WaitState::Idle));
    }

    #[test]
    fn an_unattended_write_ends_at_its_event() {
        let mut table = table();
        assert!(matches!(table.register(7, 1, WaitState::Unattended("trailers")), WaitState::Idle));
        assert!(table.any_awaited());
        assert!(matches!(table.deliver(7, 0), WaitState::Unattended("trailers")));
        assert!(!table.any_awaited());
        assert!(matches!(table.deliver(7, 0), WaitState::Idle), "it ends once");
    }

    #[test]
    fn generated_code_gets_its_callback_once() {
        let mut table = table();
        table.register(7, 1, foreign());
        assert!(matches!(table.register(7, 1, foreign()), WaitState::Foreign(_)));
        assert!(matches!(table.deliver(7, 0), WaitState::Foreign(_)));
        assert!(matches!(table.deliver(7, 0), WaitState::Idle));
        table.register(7, 1, foreign());
        assert!(matches!(table.withdraw(7), WaitState::Foreign(_)));
        assert_eq!(joined(), [(7, 1), (7, 0), (7, 1), (7, 0)]);
    }

    #[test]
    fn an_event_is_awaited_by_futures_writes_callbacks_and_alarms() {
        let states =
            [WaitState::Waiting(Waker::noop().clone()), foreign(), WaitState::Unattended(""), WaitState::Alarm];
        for state in states {
            let mut table = table();
            assert!(!table.any_awaited());
            table.register(3, 1, state);
            assert!(table.any_awaited());
            table.deliver(3, 0);
            assert!(!table.any_awaited());
        }
    }

    #[test]
    fn clearing_a_set_wakes_its_futures_and_keeps_the_rest() {
        let mut table = table();
        let count = Arc::new(Count::default());
        let waker = || Waker::from(Arc::clone(&count));
        assert!(table.poll(1, 1, waker).0.is_pending());
        assert!(table.poll(2, 1, waker).0.is_pending());
        assert!(table.poll(3, 2, waker).0.is_pending());
        table.register(4, 1, foreign());
        assert!(table.poll(5, 1, waker).0.is_pending());
        table.deliver(5, 16);
        joined();
        table.clear(1).into_iter().for_each(Waker::wake);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(joined(), [(1, 0), (2, 0), (4, 0), (5, 0)]);
        assert!(matches!(table.withdraw(1), WaitState::Idle));
        assert!(matches!(table.withdraw(3), WaitState::Waiting(_)));
        assert!(matches!(table.withdraw(4), WaitState::Foreign(_)));
        assert!(matches!(table.withdraw(5), WaitState::Happened(16)));
    }
}
