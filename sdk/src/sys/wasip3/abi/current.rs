//! The running task, and the set of waitables that it waits for.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Waker;

#[link(wasm_import_module = "$root")]
unsafe extern "C" {
    #[link_name = "[waitable-set-new]"]
    fn waitable_set_new() -> u32;
}

thread_local! {
    /// The running task.
    pub(super) static CURRENT: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
    /// The waitable sets of ended tasks, which later tasks reuse.
    pub(super) static SETS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// The state that a task and its wakers share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) woken: AtomicBool,
    /// Whether the task sleeps, so that the host calls it back only for an event.
    pub(super) asleep: AtomicBool,
    /// Whether an alarm has been set for the task. Its event may not have come yet.
    pub(super) alarmed: AtomicBool,
    pub(super) cancelled: AtomicBool,
    /// The waitable set of the task; 0 before the first waitable.
    pub(super) set: AtomicU32,
    /// The number of unattended writes: writes of the task whose end no future waits for.
    pub(super) unattended: AtomicU32,
}

/// Returns the waker of the current task.
pub(in crate::sys::wasip3) fn waker() -> Waker {
    CURRENT.with_borrow(|current| match current {
        Some(shared) => Waker::from(Arc::clone(shared)),
        None => Waker::noop().clone(),
    })
}

/// Returns the waitable set of the current task.
pub(super) fn set() -> u32 {
    with_current(|shared| match shared.set.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: the call has no conditions.
            let set = SETS.with_borrow_mut(Vec::pop).unwrap_or_else(|| unsafe { waitable_set_new() });
            shared.set.store(set, Ordering::Relaxed);
            set
        }
        set => set,
    })
}

/// Keeps the current task alive until one more unattended write (a write that no future waits for) has ended.
pub(super) fn expect_one_more() {
    with_current(|shared| shared.unattended.fetch_add(1, Ordering::Relaxed));
}

/// Notes the end of an unattended write.
pub(super) fn expect_one_less() {
    with_current(|shared| shared.unattended.fetch_sub(1, Ordering::Relaxed));
}

#[expect(clippy::expect_used, reason = "code of a component runs in a task, from `start` or `callback` on")]
pub(super) fn with_current<R>(operation: impl FnOnce(&Shared) -> R) -> R {
    CURRENT.with_borrow(|current| operation(current.as_deref().expect("a task runs")))
}
