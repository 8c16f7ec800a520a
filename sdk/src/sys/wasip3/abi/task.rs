//! Tasks: one for each call of the export, from its start until nothing is left to do.
//!
//! A task runs until it waits for something, and then says so by what it returns; the host calls it again with the event.
//! Several tasks of an instance can be in flight at a time, one of them running.

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
    /// A response, or an error code, flattened; an error code is never returned.
    #[link_name = "[task-return]handle"]
    fn task_return(is_error: i32, response: i32, _: i32, _: MaybeUninit<u64>, _: *mut u8, _: *mut u8, _: usize, _: i32);
}

#[link(wasm_import_module = "[export]$root")]
unsafe extern "C" {
    #[link_name = "[task-cancel]"]
    fn task_cancel();
}

/// Events that are not about a waitable.
const EVENT_NONE: u32 = 0;
const EVENT_CANCEL: u32 = 6;

/// What a task asks of the host when it stops running.
const EXIT: u32 = 0;
const YIELD: u32 = 1;
const WAIT: u32 = 2;

/// A task, which the host keeps a pointer to.
struct Task {
    /// Gone once it has ended, while values are still being written.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    shared: Arc<Shared>,
}

thread_local! {
    /// How many tasks there are.
    static TASKS: Cell<u32> = const { Cell::new(0) };
}

/// Runs a future as the task that the host has just begun; what it returns is for the host.
pub(in crate::sys::wasip3) fn start(future: impl Future<Output = ()> + 'static) -> u32 {
    TASKS.set(TASKS.get() + 1);
    let shared = Arc::default();
    CURRENT.set(Some(Arc::clone(&shared)));
    let task = Box::into_raw(Box::new(Task { future: Some(Box::pin(future)), shared }));
    foreign::enter();
    // SAFETY: the host keeps the pointer for this task alone, and hands it back to nobody but `callback`.
    unsafe { context_set(task.cast()) };
    run(task)
}

/// Goes on with the task that the host has an event for; what it returns is for the host.
pub(in crate::sys::wasip3) fn callback(event: u32, waitable: u32, code: u32) -> u32 {
    // SAFETY: `start` put the pointer there, and the task lives until it has returned `EXIT`.
    let task = unsafe { context_get() }.cast::<Task>();
    // SAFETY: as above; nobody else has a reference to a task that does not run.
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
    // SAFETY: as above.
    let Task { future, shared } = unsafe { &*task };
    if future.is_some() && !shared.woken.load(Ordering::Relaxed) {
        // Nobody waited for the event, as for that of a value that has been written: the future has nothing to learn.
        return sleep(shared);
    }
    run(task)
}

fn run(task: *mut Task) -> u32 {
    // SAFETY: the pointer is that of `start`, and the host runs a task in one place at a time.
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

/// Whether there was an event for a task that would go on without one.
fn deliver_one(shared: &Shared) -> bool {
    let set = shared.set.load(Ordering::Relaxed);
    if set == 0 {
        return false;
    }
    let mut payload = [0; 2];
    // SAFETY: the set is the task's, and the payload outlives the call.
    let event = unsafe { waitable_set_poll(set, &raw mut payload) };
    if event != EVENT_NONE {
        waitable::deliver(payload[0], payload[1]);
    }
    event != EVENT_NONE
}

/// # Panics
///
/// Panics if no event can come: then nothing can ever happen.
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
    // SAFETY: the pointer is that of `start`; the host is told that the task is over, and does not come back.
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

/// Answers the call that the current task came from.
pub(in crate::sys::wasip3) fn return_response(response: Response) {
    // SAFETY: the shape is that of the export's result, and the response is handed over. A task answers once: the
    // exchange sees to it.
    unsafe {
        task_return(0, response.take_handle() as i32, 0, MaybeUninit::zeroed(), ptr::null_mut(), ptr::null_mut(), 0, 0);
    }
}

/// Whether the caller has given up the current task; if so, tells it once that the task agrees.
pub(in crate::sys::wasip3) fn is_cancelled() -> bool {
    let cancelled = with_current(|shared| shared.cancelled.swap(false, Ordering::Relaxed));
    if cancelled {
        // SAFETY: the caller asked for it, and the task has not answered: the exchange asks before it does.
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
        // A task that sleeps is woken by an event and by nothing else, so one is made: the end of a stream of its own.
        if self.asleep.swap(false, Ordering::Relaxed) {
            self.alarmed.store(true, Ordering::Relaxed);
            let (reader, writer) = alarm::new();
            alarm::start(reader);
            waitable::set_alarm(reader, self.set.load(Ordering::Relaxed));
            alarm::drop_writer(writer);
        }
    }
}
