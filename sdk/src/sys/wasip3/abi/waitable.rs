//! Waitables: the ends of streams and futures, and calls in progress.
//!
//! All of them are handles in one table of the instance, so their states are in one table too, by handle.

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

/// The state of a waitable.
#[derive(Default)]
struct Waitable {
    /// Its waitable set; 0 for none.
    set: u32,
    state: WaitState,
}

#[derive(Default)]
enum WaitState {
    #[default]
    Idle,
    /// A future waits for the event.
    Waiting(Waker),
    /// The event has come, and the future has not polled again.
    Happened(u32),
    /// Code that `wit-bindgen` generated waits for the event.
    Foreign(Foreign),
    /// An unattended write.
    Unattended(Unattended),
    /// The reader of an alarm's stream, which wakes a task.
    Alarm,
}

/// A callback for an event, and its argument.
#[derive(Clone, Copy)]
pub(super) struct Foreign {
    pub(super) callback: unsafe extern "C" fn(*mut c_void, u32),
    pub(super) pointer: *mut c_void,
}

/// Polls for the event of an operation in progress.
pub(super) fn poll(waitable: u32, cx: &mut Context<'_>) -> Poll<u32> {
    let set = current::set();
    let is_own = is_own(cx.waker());
    // A foreign waker is cloned before the borrow, and others are dropped after it, because both run foreign code.
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

/// Stops waiting. Returns the event if it has come already, so that the operation is over.
pub(super) fn withdraw(waitable: u32) -> Option<u32> {
    match take(waitable, true) {
        WaitState::Happened(code) => Some(code),
        _ => None,
    }
}

/// Notes that a waitable is dropped, and that its handle may be reused.
pub(super) fn forget(waitable: u32) {
    take(waitable, false);
}

/// Makes the current task wait for an unattended write.
pub(super) fn attend(waitable: u32, write: Unattended) {
    let set = current::set();
    current::expect_one_more();
    let _old = with(waitable, |entry| {
        entry.join(waitable, set);
        mem::replace(&mut entry.state, WaitState::Unattended(write))
    });
}

/// Registers a callback of generated code. Returns the previous one's argument.
pub(super) fn register(waitable: u32, foreign: Foreign) -> *mut c_void {
    let set = current::set();
    let old = with(waitable, |entry| {
        entry.join(waitable, set);
        mem::replace(&mut entry.state, WaitState::Foreign(foreign))
    });
    pointer_of(&old)
}

/// Removes the callback of [`register`].
pub(super) fn unregister(waitable: u32) -> *mut c_void {
    pointer_of(&take(waitable, true))
}

fn pointer_of(state: &WaitState) -> *mut c_void {
    match state {
        WaitState::Foreign(foreign) => foreign.pointer,
        _ => std::ptr::null_mut(),
    }
}

/// Adds the reader of an alarm to the set of a sleeping task.
pub(super) fn set_alarm(waitable: u32, set: u32) {
    let _old = with(waitable, |entry| {
        entry.join(waitable, set);
        mem::replace(&mut entry.state, WaitState::Alarm)
    });
}

/// Delivers an event.
pub(super) fn deliver(waitable: u32, code: u32) {
    // The table is not borrowed meanwhile, because the receiver may use it.
    match with(waitable, |entry| mem::take(&mut entry.state)) {
        WaitState::Waiting(waker) => {
            with(waitable, |entry| entry.state = WaitState::Happened(code));
            waker.wake();
        }
        WaitState::Foreign(Foreign { callback, pointer }) => {
            with(waitable, |entry| entry.leave(waitable));
            // SAFETY: generated code promises that the callback may be called with this argument until it is removed,
            // which it was not.
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

/// Whether any event can come.
pub(super) fn any_awaited() -> bool {
    WAITABLES
        .with_borrow(|all| all.iter().any(|entry| !matches!(entry.state, WaitState::Idle | WaitState::Happened(_))))
}

/// Removes all waitables from a set, which can then be reused.
///
/// A future that several tasks poll waits in the set of the last poller. If that task ends, the others are woken to
/// poll again, or the event would be lost. Generated code cannot be woken: if tasks share one of its futures, the last
/// poller must stay alive.
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
    // The table is not borrowed meanwhile, because the receiver may use it.
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
            // SAFETY: both are handles from the host.
            unsafe { waitable_join(waitable, set) }
        }
    }

    fn leave(&mut self, waitable: u32) {
        if self.set != 0 {
            self.set = 0;
            // SAFETY: the handle is from the host; 0 is no set.
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
