//! The executor: it polls what has been woken, and parks in its world when nothing has.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::hint::black_box;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

use super::nested;
use crate::sys::{Here, Sending, World};

/// What tells [`block_on`] that its future wants to be polled.
pub(crate) trait Root {
    fn waker(&self) -> Waker;

    /// Whether it was woken since it was last asked.
    fn take_woken(&self) -> bool;
}

impl Root for Arc<Job> {
    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(self))
    }

    fn take_woken(&self) -> bool {
        Job::take_woken(self)
    }
}

/// What tells the executor that a future wants to be polled.
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

type Run = Pin<Box<dyn Future<Output = ()>>>;

/// How long a future runs beside the handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    ResponseEnds,
    ItEnds,
}

/// A future that runs beside the handler.
struct Spawned {
    job: Arc<Job>,
    run: Run,
    until: Until,
}

impl Spawned {
    fn poll(&mut self) -> Poll<()> {
        let waker = Waker::from(Arc::clone(&self.job));
        nested::begin_spawned(&waker);
        self.run.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// What a spawned future asks for later. A component in which nobody spawns has no code for it.
struct Beside {
    poll: fn(bool) -> bool,
    end: fn(),
    sending: Option<&'static Sending>,
}

thread_local! {
    /// Present once something was spawned.
    static BESIDE: Cell<Option<&'static Beside>> = const { Cell::new(None) };
    /// The spawned futures of this thread. A future that is being polled is not in it.
    static SPAWNED: RefCell<VecDeque<Spawned>> = const { RefCell::new(VecDeque::new()) };
}

/// Adds a future to those that run beside the handler.
pub(super) fn start(run: Run, until: Until) -> Arc<Job> {
    // The only value there is but for that of `run_foreign`; the compiler must not know, or it would put it in all the
    // places that ask for it.
    BESIDE.set(Some(black_box(&Beside { poll: poll_spawned, end: end_spawned, sending: Here::SENDING })));
    add(run, until)
}

fn add(run: Run, until: Until) -> Arc<Job> {
    let job = Job::new();
    let spawned = Spawned { job: Arc::clone(&job), run, until };
    SPAWNED.with_borrow_mut(|others| others.push_back(spawned));
    job
}

/// Runs a future that generated code spawned beside the handler, and on after the exchange until it ends.
///
/// Nothing has to be sent in another way for it, and every component can be asked for it, so it comes without the code
/// for that.
#[allow(dead_code, reason = "only WASI 0.3 has generated code that spawns")]
pub(crate) fn run_foreign(future: Pin<Box<dyn Future<Output = ()>>>) {
    if BESIDE.get().is_none() {
        BESIDE.set(Some(black_box(&Beside { poll: poll_spawned, end: end_spawned, sending: None })));
    }
    add(future, Until::ItEnds);
}

/// Runs a future of a world beside the handler until the exchange ends.
#[allow(dead_code, reason = "the worlds that upload bodies use it")]
pub(crate) fn run_beside(future: impl Future<Output = ()> + 'static) {
    start(Box::pin(future), Until::ResponseEnds);
}

/// Runs a future of a world beside the handler, and on after the exchange until it ends.
#[allow(dead_code, reason = "the worlds that upload bodies use it")]
pub(crate) fn run_on(future: impl Future<Output = ()> + 'static) {
    start(Box::pin(future), Until::ItEnds);
}

/// Whether nothing was spawned that could go on while the current future blocks the whole thread.
#[allow(dead_code, reason = "the worlds that can block use it")]
pub(crate) fn is_alone() -> bool {
    BESIDE.get().is_none() || SPAWNED.with_borrow(VecDeque::is_empty)
}

/// How to send a body while what was spawned goes on, if there is anything.
#[allow(dead_code, reason = "the worlds that have a host use it")]
pub(crate) fn sending() -> Option<&'static Sending> {
    if is_alone() { None } else { BESIDE.get()?.sending }
}

/// Runs an exchange in a world that polls: its future, the spawned ones meanwhile, and those that are waited for to their
/// end, as [`end`] does.
#[allow(dead_code, reason = "the worlds that poll use it")]
pub(crate) fn run<F: Future<Output = ()>>(future: F) -> impl Future<Output = ()> {
    Exchange { future: Some(future), spawned: VecDeque::new() }
}

pin_project! {
    /// An exchange of several that are in flight on a thread; each has spawned futures of its own.
    struct Exchange<F> {
        #[pin]
        future: Option<F>,
        // Those of this thread, while the exchange is being polled.
        spawned: VecDeque<Spawned>,
    }
}

impl<F: Future<Output = ()>> Future for Exchange<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        SPAWNED.with_borrow_mut(|spawned| mem::swap(spawned, this.spawned));
        if let Some(future) = this.future.as_mut().as_pin_mut()
            && future.poll(cx).is_ready()
        {
            this.future.set(None);
        }
        let ended = this.future.is_none();
        let over = match BESIDE.get() {
            Some(beside) if !is_alone() => (beside.poll)(ended),
            _ => ended,
        };
        SPAWNED.with_borrow_mut(|spawned| mem::swap(spawned, this.spawned));
        if over { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Runs a future to its end, and the spawned ones meanwhile.
#[allow(dead_code, reason = "the worlds that block use it")]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let root = Here::root();
    let waker = root.waker();
    let mut cx = Context::from_waker(&waker);
    let mut pace = Pace::default();
    loop {
        root.take_woken();
        nested::begin_root(&waker);
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        loop {
            let progress = run_spawned();
            let woken = root.take_woken();
            if progress || woken {
                pace.go_on();
            } else {
                pace.wait();
            }
            if woken {
                break;
            }
        }
    }
}

/// Decides how the executor asks the host for events between two rounds.
///
/// While a future keeps waking itself, the executor never parks. It looks for events without waiting then, or timers,
/// bodies and calls would stand still. The first round after the start and after each wait goes without a look, so that
/// an exchange without a busy future pays nothing.
#[derive(Default)]
struct Pace {
    owes_look: bool,
}

impl Pace {
    /// Before a round that has something to poll.
    fn go_on(&mut self) {
        if mem::replace(&mut self.owes_look, true) {
            Here::look();
        }
    }

    /// Before a round that has nothing to poll without an event.
    fn wait(&mut self) {
        Here::park();
        self.owes_look = false;
    }
}

/// Ends an exchange: futures that have something to learn are polled once more, those that are waited for to their end,
/// and the others are dropped.
///
/// So a task that writes a body learns that the client went away, which is what ended the exchange.
#[allow(dead_code, reason = "the worlds that block use it")]
pub(crate) fn end() {
    if let Some(beside) = BESIDE.get() {
        (beside.end)();
    }
}

fn end_spawned() {
    run_spawned();
    let mut pace = Pace::default();
    while !is_alone() {
        while any_waited_for() {
            if run_spawned() {
                pace.go_on();
            } else {
                pace.wait();
            }
        }
        // What is dropped may leave something behind that is waited for.
        drop(SPAWNED.take());
    }
}

fn any_waited_for() -> bool {
    SPAWNED.with_borrow(|spawned| spawned.iter().any(|spawned| spawned.until == Until::ItEnds))
}

/// Drops the spawned futures of this thread.
pub(crate) fn drop_spawned() {
    while let Some(spawned) = SPAWNED.with_borrow_mut(VecDeque::pop_front) {
        drop(spawned);
    }
}

/// Polls the spawned futures of an exchange; tells whether it is over once its own future has ended.
fn poll_spawned(ended: bool) -> bool {
    // What they wake, wakes the exchange as well.
    run_spawned();
    let over = ended && !any_waited_for();
    if over {
        drop_spawned();
    }
    over
}

/// Polls each spawned future that has been woken; tells whether there was one.
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
    // In a world that polls, nobody else would ask for another round for what was spawned in this one. All of them belong to
    // one exchange, so any of them does.
    let added = SPAWNED.with_borrow(|spawned| {
        let last = spawned.back().filter(|_| spawned.len() > waiting)?;
        Some(Arc::clone(&last.job))
    });
    if let Some(job) = added {
        (job.unpark)();
    }
    true
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::{Duration, Instant};

    use futures_util::future::{Either, select};

    use super::*;
    use crate::{spawn, test, time, wait_until};

    const TICK: Duration = Duration::from_millis(1);

    /// Wakes itself until it is stopped, for ten seconds at most; tells whether it was stopped.
    fn busy(stop: &Arc<AtomicBool>) -> impl Future<Output = bool> + Send + use<> {
        let (stop, start) = (Arc::clone(stop), Instant::now());
        poll_fn(move |cx| {
            let stopped = stop.load(Ordering::Relaxed);
            if stopped || start.elapsed() > Duration::from_secs(10) {
                return Poll::Ready(stopped);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[test]
    fn a_busy_task_leaves_timers_their_turn() {
        let stop = Arc::default();
        let stopped = test::block_on(async {
            let task = spawn(busy(&stop));
            time::sleep(TICK).await;
            stop.store(true, Ordering::Relaxed);
            task.await
        });
        assert!(stopped);
    }

    #[test]
    fn a_busy_future_leaves_timers_their_turn() {
        let stop = Arc::default();
        let busy = std::pin::pin!(busy(&stop));
        let first = test::block_on(select(busy, time::sleep(TICK)));
        assert!(matches!(first, Either::Right(_)));
    }

    #[test]
    fn a_busy_task_leaves_the_work_after_the_exchange_its_turn() {
        let stop = Arc::default();
        let (stopped, told) = std::sync::mpsc::channel();
        test::block_on(async {
            let task = busy(&stop);
            spawn(async move { stopped.send(task.await).unwrap() }).detach();
            wait_until({
                let stop = Arc::clone(&stop);
                async move {
                    time::sleep(TICK).await;
                    stop.store(true, Ordering::Relaxed);
                    // The task ends with the work, or just before.
                    time::sleep(TICK).await;
                }
            });
        });
        assert!(told.try_recv().unwrap_or(true));
    }

    #[test]
    fn busy_work_after_the_exchange_leaves_other_work_its_turn() {
        let stop = Arc::default();
        let (stopped, told) = std::sync::mpsc::channel();
        test::block_on(async {
            let work = busy(&stop);
            wait_until(async move { stopped.send(work.await).unwrap() });
            wait_until({
                let stop = Arc::clone(&stop);
                async move {
                    time::sleep(TICK).await;
                    stop.store(true, Ordering::Relaxed);
                }
            });
        });
        assert!(told.recv().unwrap());
    }

    #[test]
    fn a_busy_task_that_moves_a_stopped_clock_wakes_those_who_wait_for_it() {
        let _paused = test::pause();
        let stop = Arc::default();
        let stopped = test::block_on(async {
            let mut busy = Box::pin(busy(&stop));
            let task = spawn(poll_fn(move |cx| {
                test::advance(TICK);
                busy.as_mut().poll(cx)
            }));
            time::sleep(Duration::from_secs(1)).await;
            stop.store(true, Ordering::Relaxed);
            task.await
        });
        assert!(stopped);
    }
}
