//! The waitables of this instance, and the delivery of their events.

use std::cell::RefCell;
use std::ffi::c_void;
use std::task::{Context, Poll, Waker};

use super::value::Unattended;
use super::{alarm, current};
pub(super) use crate::sys::abi::waitable::Foreign;
use crate::sys::abi::waitable::{WaitState, WaitableSets, Waitables};
use crate::sys::executor::nested::{examine, is_own};

#[link(wasm_import_module = "$root")]
unsafe extern "C" {
    #[link_name = "[waitable-join]"]
    fn waitable_join(waitable: u32, set: u32);
}

/// The functions of the host for waitable sets.
struct HostSets;

impl WaitableSets for HostSets {
    type Unattended = Unattended;

    fn join(waitable: u32, set: u32) {
        // SAFETY: `waitable` is a handle from the host. So is `set`, unless it is 0, which the host takes for no set.
        unsafe { waitable_join(waitable, set) }
    }
}

thread_local! {
    static WAITABLES: RefCell<Waitables<HostSets>> = const { RefCell::new(Waitables::new()) };
}

/// Polls for the event of an operation in progress.
pub(super) fn poll(waitable: u32, cx: &mut Context<'_>) -> Poll<u32> {
    let set = current::set();
    let is_own = is_own(cx.waker());
    // A foreign waker is cloned before the borrow of the table, and a replaced waker is dropped after it, because
    // cloning and dropping run foreign code.
    let mut foreign = if is_own { None } else { Some(cx.waker().clone()) };
    let waker = || foreign.take().unwrap_or_else(|| cx.waker().clone());
    let (event, _replaced) = WAITABLES.with_borrow_mut(|all| all.poll(waitable, set, waker));
    if event.is_pending() && !is_own {
        examine(cx.waker());
    }
    event
}

/// Stops waiting for the event of an operation. Returns the event if it has come already, which means that the
/// operation is over.
pub(super) fn withdraw(waitable: u32) -> Option<u32> {
    match WAITABLES.with_borrow_mut(|all| all.withdraw(waitable)) {
        WaitState::Happened(code) => Some(code),
        _ => None,
    }
}

/// Notes that a waitable is about to be dropped, and that the host may reuse its handle.
pub(super) fn forget(waitable: u32) {
    drop(WAITABLES.with_borrow_mut(|all| all.forget(waitable)));
}

/// Makes the current task wait for the end of an unattended write: a write that no future waits for.
pub(super) fn attend(waitable: u32, write: Unattended) {
    current::expect_one_more();
    drop(register_state(waitable, current::set(), WaitState::Unattended(write)));
}

/// Registers a callback of generated code. Returns the argument of the previous callback, or null.
pub(super) fn register(waitable: u32, foreign: Foreign) -> *mut c_void {
    pointer_of(&register_state(waitable, current::set(), WaitState::Foreign(foreign)))
}

/// Removes the callback that [`register`] has registered. Returns the argument of the callback, or null.
pub(super) fn unregister(waitable: u32) -> *mut c_void {
    pointer_of(&WAITABLES.with_borrow_mut(|all| all.withdraw(waitable)))
}

/// Adds the reader of an alarm to the set of a sleeping task.
pub(super) fn set_alarm(waitable: u32, set: u32) {
    drop(register_state(waitable, set, WaitState::Alarm));
}

fn register_state(waitable: u32, set: u32, state: WaitState<Unattended>) -> WaitState<Unattended> {
    WAITABLES.with_borrow_mut(|all| all.register(waitable, set, state))
}

fn pointer_of(state: &WaitState<Unattended>) -> *mut c_void {
    match state {
        WaitState::Foreign(foreign) => foreign.pointer,
        _ => std::ptr::null_mut(),
    }
}

/// Delivers the event of a waitable to its receiver.
pub(super) fn deliver(waitable: u32, code: u32) {
    // The table is no longer borrowed when the receiver runs, because the receiver may use the table.
    match WAITABLES.with_borrow_mut(|all| all.deliver(waitable, code)) {
        WaitState::Waiting(waker) => waker.wake(),
        // SAFETY: generated code promises that the callback may be called with this argument until it is removed, and
        // it was still registered.
        WaitState::Foreign(Foreign { callback, pointer }) => unsafe { callback(pointer, code) },
        WaitState::Unattended(write) => {
            write.end(waitable, code);
            current::expect_one_less();
        }
        WaitState::Alarm => alarm::drop_reader(waitable),
        WaitState::Idle | WaitState::Happened(_) => {}
    }
}

/// Whether any event can come, that is, whether any waitable has a receiver for its next event.
pub(super) fn any_awaited() -> bool {
    WAITABLES.with_borrow(Waitables::any_awaited)
}

/// Removes all waitables from a set, which can then be reused.
///
/// A future that several tasks poll waits in the set of the last poller. If that task ends, the future is woken, so
/// that another task polls it again. Otherwise its event would be lost. Generated code cannot be woken: if tasks
/// share one of its futures, the last poller must stay alive.
pub(super) fn clear(set: u32) {
    // The table is no longer borrowed when the wakers are called, because a waker may use the table.
    WAITABLES.with_borrow_mut(|all| all.clear(set)).into_iter().for_each(Waker::wake);
}
