//! Futures that run beside the handler.
//!
//! One executor serves every world: it polls what has been woken, and parks in its world when nothing has. Wakers may
//! come from anywhere, so channels and locks of other crates work.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

use crate::sys::{Here, Sending, World};

/// Runs a future beside the current one, on the same thread.
///
/// It makes progress whenever the handler waits. Dropping the handle cancels the future; awaiting it yields the
/// result; [`detach`](Task::detach) lets it go on by itself until the exchange ends, which is when the last byte of the
/// response has been sent.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// let task = wayside::spawn(async { 6 * 7 });
/// assert_eq!(task.await, 42);
/// # });
/// ```
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let state = Arc::new(State { cancelled: AtomicBool::new(false), result: Mutex::default() });
    let runner = Arc::clone(&state);
    let mut future = Box::pin(future);
    let run = poll_fn(move |cx| {
        if runner.cancelled.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let output = std::task::ready!(future.as_mut().poll(cx));
        let mut result = lock(&runner.result);
        result.output = Some(output);
        if let Some(waker) = result.waker.take() {
            waker.wake();
        }
        Poll::Ready(())
    });
    let job = start(Box::pin(run), Until::ResponseEnds);
    Task { state, job, detached: false }
}

/// Runs a future beside the current one, and on after the response has been sent, until it ends.
///
/// The client does not wait for it; the instance does, and takes no other request meanwhile. It runs also when the client
/// goes away, but not when the handler panics. Natively, [`test::block_on`](crate::test::block_on) waits for it.
///
/// # Examples
///
/// ```
/// use wayside::{client, http_component, wait_until};
///
/// #[http_component]
/// fn handle() -> &'static str {
///     wait_until(async {
///         if let Err(error) = client::get("https://metrics.example/hit").await {
///             eprintln!("not counted: {error}");
///         }
///     });
///     "done\n"
/// }
/// # fn main() {}
/// ```
pub fn wait_until(future: impl Future<Output = ()> + Send + 'static) {
    start(Box::pin(future), Until::ItEnds);
}

/// A spawned future; awaiting it yields what the future yields.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// let answer = wayside::spawn(async { "computed beside" });
/// let forgotten = wayside::spawn(async { "never computed" });
/// drop(forgotten);
/// assert_eq!(answer.await, "computed beside");
/// # });
/// ```
#[must_use = "dropping a task cancels it; call `detach` to let it run"]
pub struct Task<T> {
    state: Arc<State<T>>,
    job: Arc<Job>,
    detached: bool,
}

struct State<T> {
    cancelled: AtomicBool,
    result: Mutex<TaskResult<T>>,
}

struct TaskResult<T> {
    output: Option<T>,
    waker: Option<Waker>,
}

impl<T> Default for TaskResult<T> {
    fn default() -> Self {
        Self { output: None, waker: None }
    }
}

impl<T> Task<T> {
    /// Lets the future run to its end, or to that of the exchange, whatever happens to this handle.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// wayside::spawn(async { println!("on its own") }).detach();
    /// # });
    /// ```
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut result = lock(&self.state.result);
        match result.output.take() {
            Some(output) => Poll::Ready(output),
            None => {
                result.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.state.cancelled.store(true, Ordering::Relaxed);
            // Polled once more, the future is dropped at once and not when something happens to wake it.
            self.job.wake_by_ref();
        }
    }
}

impl<T> std::fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("detached", &self.detached).finish_non_exhaustive()
    }
}

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
        (self.unpark)();
    }
}

type Run = Pin<Box<dyn Future<Output = ()>>>;

/// How long a future runs beside the handler.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
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
fn start(run: Run, until: Until) -> Arc<Job> {
    let job = Job::new();
    let spawned = Spawned { job: Arc::clone(&job), run, until };
    SPAWNED.with_borrow_mut(|others| others.push_back(spawned));
    // The only value there is; the compiler must not know, or it would put it in all the places that ask for it.
    BESIDE.set(Some(black_box(&Beside { poll: poll_spawned, end: end_spawned, sending: Here::SENDING })));
    job
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
    loop {
        root.take_woken();
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        loop {
            let progress = run_spawned();
            if root.take_woken() {
                break;
            }
            if !progress {
                Here::park();
            }
        }
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
    while !is_alone() {
        while any_waited_for() {
            if !run_spawned() {
                Here::park();
            }
        }
        // What is dropped may leave something behind that is waited for.
        drop(SPAWNED.take());
    }
}

fn any_waited_for() -> bool {
    SPAWNED.with_borrow(|spawned| spawned.iter().any(|spawned| spawned.until == Until::ItEnds))
}

fn drop_spawned() {
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
    SPAWNED.with_borrow(|spawned| {
        if spawned.len() > waiting
            && let Some(last) = spawned.back()
        {
            (last.job.unpark)();
        }
    });
    true
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;
    use crate::time::sleep;

    #[test]
    fn a_spawned_future_yields_its_output() {
        assert_eq!(block_on(async { spawn(async { 7 }).await }), 7);
    }

    #[test]
    fn a_dropped_task_is_cancelled() {
        static STEPS: AtomicUsize = AtomicUsize::new(0);
        block_on(async {
            let task = spawn(async {
                sleep(Duration::from_millis(1)).await;
                STEPS.fetch_add(1, Ordering::Relaxed);
            });
            drop(task);
            sleep(Duration::from_millis(20)).await;
        });
        assert_eq!(STEPS.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_detached_task_goes_on() {
        static STEPS: AtomicUsize = AtomicUsize::new(0);
        block_on(async {
            spawn(async { STEPS.fetch_add(1, Ordering::Relaxed) }).detach();
            sleep(Duration::from_millis(1)).await;
        });
        assert_eq!(STEPS.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_is_waited_for_runs_to_its_end_after_the_future() {
        static STEPS: AtomicUsize = AtomicUsize::new(0);
        crate::test::block_on(async {
            wait_until(async {
                sleep(Duration::from_millis(2)).await;
                STEPS.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(STEPS.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_waker_from_another_thread_is_heard() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || sender.send(5).unwrap());
        assert_eq!(block_on(receiver).unwrap(), 5);
        thread.join().unwrap();
    }

    #[test]
    fn channels_of_other_crates_work_between_tasks() {
        let sum = block_on(async {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
            spawn(async move {
                for n in 1..=4 {
                    sender.send(n).await.unwrap();
                }
            })
            .detach();
            let mut sum = 0;
            while let Some(n) = receiver.recv().await {
                sum += n;
            }
            sum
        });
        assert_eq!(sum, 10);
    }
}
