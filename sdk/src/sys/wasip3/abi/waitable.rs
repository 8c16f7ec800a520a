//! What the host reports on: the ends of streams and futures, and calls that it has not answered yet.
//!
//! All of them are numbers in one table of the instance, so what waits for them is kept in one table too, by that number.

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem;
use std::task::{Context, Poll, Waker};

use super::value::Unattended;
use super::{alarm, current};
use crate::sys::executor::nested::{examine, is_own};

#[link(wasm_import_module = "$root")]
unsafe extern "C" {
    #[link_name = "[waitable-join]"]
    fn waitable_join(waitable: u32, set: u32);
}

thread_local! {
    static WAITABLES: RefCell<Vec<Waitable>> = const { RefCell::new(Vec::new()) };
}

/// A waitable of the instance, whether anybody waits for it or not.
#[derive(Default)]
struct Waitable {
    /// The set that the waitable is in; 0 is none.
    set: u32,
    state: WaitState,
}

#[derive(Default)]
enum WaitState {
    #[default]
    Idle,
    /// A future waits for the event.
    Waiting(Waker),
    /// The event has come, and the future has not asked again yet.
    Happened(u32),
    /// Code that `wit-bindgen` generated waits for the event.
    Foreign(Foreign),
    /// A value that is being written, with nobody who waits for it.
    Unattended(Unattended),
    /// The end of a stream that exists to be closed, which wakes a task.
    Alarm,
}

/// A function that wants to hear of an event, and the pointer that it wants back with it.
#[derive(Clone, Copy)]
pub(super) struct Foreign {
    pub(super) callback: unsafe extern "C" fn(*mut c_void, u32),
    pub(super) pointer: *mut c_void,
}

/// The event of a waitable on which an operation goes on; waits for it where it has not come yet.
pub(super) fn poll(waitable: u32, cx: &mut Context<'_>) -> Poll<u32> {
    let set = current::set();
    let is_own = is_own(cx.waker());
    // A foreign waker is cloned before the borrow, and what is left of it and of another dropped after it: both run code
    // of others.
    let mut foreign = if is_own { None } else { Some(cx.waker().clone()) };
    let (event, _replaced) = with(waitable, |entry| {
        if let WaitState::Happened(code) = entry.state {
            entry.state = WaitState::Idle;
            return (Poll::Ready(code), WaitState::Idle);
        }
        entry.join(waitable, set);
        let waker = foreign.take().unwrap_or_else(|| cx.waker().clone());
        (Poll::Pending, mem::replace(&mut entry.state, WaitState::Waiting(waker)))
    });
    if event.is_pending() && !is_own {
        examine(cx.waker());
    }
    event
}

/// Stops waiting; answers with the event if it has come already, and the operation is over.
pub(super) fn withdraw(waitable: u32) -> Option<u32> {
    match take(waitable, true) {
        WaitState::Happened(code) => Some(code),
        _ => None,
    }
}

/// Takes note that a waitable goes away, and that its number may come back as that of another.
pub(super) fn forget(waitable: u32) {
    take(waitable, false);
}

/// Makes the current task wait for a value that is being written.
pub(super) fn attend(waitable: u32, write: Unattended) {
    let set = current::set();
    current::expect_one_more();
    let _old = with(waitable, |entry| {
        entry.join(waitable, set);
        mem::replace(&mut entry.state, WaitState::Unattended(write))
    });
}

/// Lets generated code wait; answers with the pointer of whoever waited before.
pub(super) fn register(waitable: u32, foreign: Foreign) -> *mut c_void {
    let set = current::set();
    let old = with(waitable, |entry| {
        entry.join(waitable, set);
        mem::replace(&mut entry.state, WaitState::Foreign(foreign))
    });
    pointer_of(&old)
}

/// Ends what [`register`] began.
pub(super) fn unregister(waitable: u32) -> *mut c_void {
    pointer_of(&take(waitable, true))
}

fn pointer_of(state: &WaitState) -> *mut c_void {
    match state {
        WaitState::Foreign(foreign) => foreign.pointer,
        _ => std::ptr::null_mut(),
    }
}

/// Puts the end of a stream that is about to be closed into the set of a task that sleeps.
pub(super) fn set_alarm(waitable: u32, set: u32) {
    let _old = with(waitable, |entry| {
        entry.join(waitable, set);
        mem::replace(&mut entry.state, WaitState::Alarm)
    });
}

/// Hands an event to whoever waits for it.
pub(super) fn deliver(waitable: u32, code: u32) {
    // Whoever is told may use the table, so it is not borrowed meanwhile.
    match with(waitable, |entry| mem::take(&mut entry.state)) {
        WaitState::Waiting(waker) => {
            with(waitable, |entry| entry.state = WaitState::Happened(code));
            waker.wake();
        }
        WaitState::Foreign(Foreign { callback, pointer }) => {
            with(waitable, |entry| entry.leave(waitable));
            // SAFETY: whoever registered the function promised that it may be called with this pointer until it is
            // taken out again, which it was not.
            unsafe { callback(pointer, code) }
        }
        WaitState::Unattended(write) => {
            forget(waitable);
            write.end(waitable, code);
            current::expect_one_less();
        }
        WaitState::Alarm => {
            forget(waitable);
            alarm::drop_reader(waitable);
        }
        WaitState::Idle | WaitState::Happened(_) => {}
    }
}

/// Whether anything is waited for that the host could report.
pub(super) fn any_awaited() -> bool {
    WAITABLES
        .with_borrow(|all| all.iter().any(|entry| !matches!(entry.state, WaitState::Idle | WaitState::Happened(_))))
}

/// Takes everything out of a set, which then can be used for another task.
///
/// A future that several tasks poll waits in the set of the one that polled last. Where that task is over, the others are told to
/// ask again, or the event would come to nobody. Generated code cannot be told: whoever shares a future of its between tasks
/// has to keep the one that polled last alive.
pub(super) fn clear(set: u32) {
    let mut left = Vec::new();
    WAITABLES.with_borrow_mut(|all| {
        for (waitable, entry) in all.iter_mut().enumerate().filter(|(_, entry)| entry.set == set) {
            entry.leave(waitable as u32);
            if matches!(entry.state, WaitState::Waiting(_)) {
                left.push(mem::take(&mut entry.state));
            }
        }
    });
    // Whoever is told may use the table, so it is not borrowed meanwhile.
    for state in left {
        if let WaitState::Waiting(waker) = state {
            waker.wake();
        }
    }
}

impl Waitable {
    fn join(&mut self, waitable: u32, set: u32) {
        if self.set != set {
            self.set = set;
            // SAFETY: both are numbers that the host gave out.
            unsafe { waitable_join(waitable, set) }
        }
    }

    fn leave(&mut self, waitable: u32) {
        if self.set != 0 {
            self.set = 0;
            // SAFETY: the number is one that the host gave out; 0 is no set.
            unsafe { waitable_join(waitable, 0) }
        }
    }
}

fn take(waitable: u32, leave: bool) -> WaitState {
    WAITABLES.with_borrow_mut(|all| {
        let Some(entry) = all.get_mut(waitable as usize) else {
            return WaitState::Idle;
        };
        if leave {
            entry.leave(waitable);
        }
        mem::take(entry).state
    })
}

#[expect(clippy::indexing_slicing, reason = "the table is made long enough before")]
fn with<R>(waitable: u32, operation: impl FnOnce(&mut Waitable) -> R) -> R {
    WAITABLES.with_borrow_mut(|all| {
        let index = waitable as usize;
        if all.len() <= index {
            all.resize_with(index + 8, Waitable::default);
        }
        operation(&mut all[index])
    })
}
