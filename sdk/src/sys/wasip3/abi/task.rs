//! Tasks: one for each call of the export, from its start until all its work is done.
//!
//! A task runs until it has to wait, and then returns its waitable set to the host. The host calls the task back with
//! an event of that set. Several tasks of an instance can be in flight, but only one runs at a time.

use std::cell::Cell;
use std::ffi::c_void;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Wake, Waker};

use super::current::{CURRENT, SETS, Shared, set, with_current};
use super::{alarm, foreign, waitable};
use crate::sys::executor::nested;
use crate::sys::wasip3::bindings::wasi::http::types::Response;

#[link(wasm_import_module = "$root")]
unsafe extern "C" {
    #[link_name = "[context-get-0]"]
    fn context_get() -> *mut c_void;
    #[link_name = "[context-set-0]"]
    fn context_set(value: *mut c_void);
    #[link_name = "[waitable-set-poll]"]
    fn waitable_set_poll(set: u32, payload: *mut [u32; 2]) -> u32;
}

#[link(wasm_import_module = "[export]wasi:http/handler@0.3.0")]
unsafe extern "C" {
    /// Takes the flattened result: a response, or an error code, which the SDK never returns.
    #[link_name = "[task-return]handle"]
    fn task_return(is_error: i32, response: i32, _: i32, _: MaybeUninit<u64>, _: *mut u8, _: *mut u8, _: usize, _: i32);
}

#[link(wasm_import_module = "[export]$root")]
unsafe extern "C" {
    #[link_name = "[task-cancel]"]
    fn task_cancel();
}

/// The events that do not come from a waitable.
const EVENT_NONE: u32 = 0;
const EVENT_CANCEL: u32 = 6;

/// The values that a task returns to the host when it stops running.
const EXIT: u32 = 0;
const YIELD: u32 = 1;
const WAIT: u32 = 2;

/// A task. The host stores a pointer to it.
struct Task {
    /// `None` once the future has completed. The task then lives on for writes that no future waits for.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    shared: Arc<Shared>,
}

thread_local! {
    /// The number of tasks in flight.
    static TASKS: Cell<u32> = const { Cell::new(0) };
}

/// Runs a future as the task that the host has just started. Returns the value for the host.
pub(in crate::sys::wasip3) fn start(future: impl Future<Output = ()> + 'static) -> u32 {
    TASKS.set(TASKS.get() + 1);
    let shared = Arc::default();
    CURRENT.set(Some(Arc::clone(&shared)));
    let task = Box::into_raw(Box::new(Task { future: Some(Box::pin(future)), shared }));
    foreign::enter();
    // SAFETY: the host stores the pointer for this task, and passes it only to `callback`.
    unsafe { context_set(task.cast()) };
    run(task)
}

/// Continues the task with an event. Returns the value for the host.
pub(in crate::sys::wasip3) fn callback(event: u32, waitable: u32, code: u32) -> u32 {
    // SAFETY: `start` stored the pointer, and the task lives until it returns `EXIT`.
    let task = unsafe { context_get() }.cast::<Task>();
    // SAFETY: the pointer is valid, as above, and no other reference to a task exists while the task does not run.
    let shared = unsafe { Arc::clone(&(*task).shared) };
    shared.asleep.store(false, Ordering::Relaxed);
    CURRENT.set(Some(shared));
    match event {
        EVENT_NONE => {}
        EVENT_CANCEL => with_current(|shared| {
            shared.cancelled.store(true, Ordering::Relaxed);
            shared.woken.store(true, Ordering::Relaxed);
        }),
        _ => waitable::deliver(waitable, code),
    }
    // SAFETY: the pointer is valid, as above, and no code that has run since keeps a reference to the task.
    let Task { future, shared } = unsafe { &*task };
    if future.is_some() && !shared.woken.load(Ordering::Relaxed) {
        // The event has woken no future of the task, for example because it ended a write that no future waits for.
        return sleep(shared);
    }
    run(task)
}

fn run(task: *mut Task) -> u32 {
    // SAFETY: the pointer is that of `start`, and the host does not run a task twice at the same time.
    let Task { future, shared } = unsafe { &mut *task };
    let waker = Waker::from(Arc::clone(shared));
    while let Some(running) = future {
        shared.woken.store(false, Ordering::Relaxed);
        nested::begin_root(&waker);
        if running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *future = None;
        } else if !shared.woken.load(Ordering::Relaxed) {
            return sleep(shared);
        } else if !deliver_one(shared) {
            return YIELD;
        }
    }
    if shared.unattended.load(Ordering::Relaxed) > 0 {
        return sleep(shared);
    }
    end(task)
}

/// Handles one event for a task that does not sleep. Returns whether there was an event.
fn deliver_one(shared: &Shared) -> bool {
    let set = shared.set.load(Ordering::Relaxed);
    if set == 0 {
        return false;
    }
    let mut payload = [0; 2];
    // SAFETY: the set belongs to the task, and the payload outlives the call.
    let event = unsafe { waitable_set_poll(set, &raw mut payload) };
    if event != EVENT_NONE {
        waitable::deliver(payload[0], payload[1]);
    }
    event != EVENT_NONE
}

/// # Panics
///
/// Panics if no event can come, because the task would sleep forever.
#[expect(clippy::panic, reason = "waiting for ever would be worse, and say nothing")]
fn sleep(shared: &Shared) -> u32 {
    if TASKS.get() == 1 && !waitable::any_awaited() {
        panic!("the handler waits for something that nothing can bring about any more");
    }
    let set = set();
    shared.asleep.store(true, Ordering::Relaxed);
    CURRENT.set(None);
    WAIT | set << 4
}

fn end(task: *mut Task) -> u32 {
    // SAFETY: the pointer is that of `start`; the host gets `EXIT`, and does not call the task again.
    let task = unsafe { Box::from_raw(task) };
    if task.shared.alarmed.load(Ordering::Relaxed) {
        while deliver_one(&task.shared) {}
    }
    let set = task.shared.set.swap(0, Ordering::Relaxed);
    drop(task);
    CURRENT.set(None);
    TASKS.set(TASKS.get() - 1);
    if set != 0 {
        waitable::clear(set);
        SETS.with_borrow_mut(|sets| sets.push(set));
    }
    EXIT
}

/// Returns a response to the caller as the result of the current task.
pub(in crate::sys::wasip3) fn return_response(response: Response) {
    // SAFETY: the signature is that of the export's result, and the response is transferred. The exchange calls this
    // once per task.
    unsafe {
        task_return(0, response.take_handle() as i32, 0, MaybeUninit::zeroed(), ptr::null_mut(), ptr::null_mut(), 0, 0);
    }
}

/// Whether the caller has cancelled the current task since the last call of this function. If so, confirms the
/// cancellation to the host.
pub(in crate::sys::wasip3) fn is_cancelled() -> bool {
    let cancelled = with_current(|shared| shared.cancelled.swap(false, Ordering::Relaxed));
    if cancelled {
        // SAFETY: the caller has requested the cancellation. The task has not returned a response, because the
        // exchange checks for a cancellation only before it responds.
        unsafe { task_cancel() };
    }
    cancelled
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        nested::count_wake();
        // Only an event wakes a sleeping task, so this makes an event: the end of a stream.
        if self.asleep.swap(false, Ordering::Relaxed) {
            self.alarmed.store(true, Ordering::Relaxed);
            let (reader, writer) = alarm::new();
            alarm::start(reader);
            waitable::set_alarm(reader, self.set.load(Ordering::Relaxed));
            alarm::drop_writer(writer);
        }
    }
}
