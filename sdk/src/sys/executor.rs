//! The executor: polls the futures that were woken.
//!
//! There are two models. [`blocking`] runs one future to its end and parks the thread, natively and in WASI 0.2.
//! [`polled`] runs a task that returns to the host whenever it waits, in WASI 0.3. Both models share the spawned
//! futures of this module. Any code may call the wakers, so channels and locks of other crates work.

#[cfg(not(all(target_os = "wasi", any(target_env = "p3", feature = "wasip3"))))]
pub(crate) mod blocking;
#[cfg(not(all(target_os = "wasi", any(target_env = "p3", feature = "wasip3"))))]
use blocking as model;

#[cfg(all(target_os = "wasi", any(target_env = "p3", feature = "wasip3")))]
pub(crate) mod polled;
#[cfg(all(target_os = "wasi", any(target_env = "p3", feature = "wasip3")))]
use polled as model;

pub(crate) mod nested;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{Here, World};

/// The state behind a future's waker: whether the future has been woken since its last poll, and how to reach the
/// executor.
pub(crate) struct Job {
    woken: AtomicBool,
    unpark: Box<dyn Fn() + Send + Sync>,
}

impl Job {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { woken: AtomicBool::new(true), unpark: Box::new(Here::unparker()) })
    }

    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        nested::count_wake();
        (self.unpark)();
    }
}

/// How long a spawned future runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Until the response has been sent.
    ResponseEnds,
    ItEnds,
}

/// A future that runs beside the handler.
pub(crate) struct Spawned {
    job: Arc<Job>,
    future: Pin<Box<dyn Future<Output = ()>>>,
    until: Until,
}

impl Spawned {
    fn poll(&mut self) -> Poll<()> {
        let waker = Waker::from(Arc::clone(&self.job));
        nested::begin_spawned(&waker);
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

thread_local! {
    /// The code for spawned futures, stored by the first [`spawn`]. A component that never spawns does not contain
    /// that code, which would add 40 KB to a component of 100 KB.
    static HOOKS: Cell<Option<&'static model::Hooks>> = const { Cell::new(None) };
    /// The spawned futures of this thread, without the one that is being polled.
    static SPAWNED: RefCell<VecDeque<Spawned>> = const { RefCell::new(VecDeque::new()) };
}

/// Adds a future to those that run beside the handler.
pub(crate) fn spawn(future: Pin<Box<dyn Future<Output = ()>>>, until: Until) -> Arc<Job> {
    // `black_box` hides from the optimizer that `HOOKS` has only this value. Otherwise the optimizer would replace
    // the calls through `HOOKS` by direct calls, and every component would contain the called functions.
    HOOKS.set(Some(black_box(&model::HOOKS)));
    let job = Job::new();
    let spawned = Spawned { job: Arc::clone(&job), future, until };
    SPAWNED.with_borrow_mut(|others| others.push_back(spawned));
    job
}

/// Returns the code for spawned futures, or `None` if there is no spawned future besides the current future.
pub(crate) fn hooks() -> Option<&'static model::Hooks> {
    HOOKS.get().filter(|_| !SPAWNED.with_borrow(VecDeque::is_empty))
}

/// Whether there is no spawned future besides the current future, which may then block the thread.
pub(crate) fn is_alone() -> bool {
    hooks().is_none()
}

/// Whether any spawned future runs until the given event.
fn any_until(until: Until) -> bool {
    SPAWNED.with_borrow(|spawned| spawned.iter().any(|spawned| spawned.until == until))
}

/// Takes all spawned futures of this thread.
pub(crate) fn take_spawned() -> VecDeque<Spawned> {
    SPAWNED.take()
}

/// Polls each spawned future that was woken. Returns whether there was one.
fn run_spawned() -> bool {
    if !SPAWNED.with_borrow(|spawned| spawned.iter().any(|spawned| spawned.job.is_woken())) {
        return false;
    }
    let round = SPAWNED.with_borrow(VecDeque::len);
    let mut waiting = 0;
    for _ in 0..round {
        let Some(mut spawned) = SPAWNED.with_borrow_mut(VecDeque::pop_front) else { break };
        if !spawned.job.take_woken() || spawned.poll().is_pending() {
            waiting += 1;
            SPAWNED.with_borrow_mut(|others| others.push_back(spawned));
        }
    }
    // A future that was spawned in this round is polled in the next round. In WASI 0.3 a round happens only after a
    // wake-up, so this makes one. Any future of the exchange serves for that.
    let added = SPAWNED.with_borrow(|spawned| {
        let last = spawned.back().filter(|_| spawned.len() > waiting)?;
        Some(Arc::clone(&last.job))
    });
    if let Some(job) = added {
        (job.unpark)();
    }
    true
}
