//! Tasks: futures that run beside the handler.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake as _, Waker};

use crate::sys::executor::nested::{examine, is_own};
use crate::sys::executor::{self, Job, Until};
use crate::sys::{Here, World as _};

/// Runs a future as a task, on the same thread.
///
/// The task makes progress whenever the handler waits. Dropping the returned [`Task`] cancels the task, and awaiting
/// it returns the result of the future. [`detach`](Task::detach) lets the task continue until the exchange ends, that
/// is, until the last byte of the response has been sent.
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
    let state = Arc::new(TaskState { cancelled: AtomicBool::new(false), result: Mutex::default() });
    let runner = Arc::clone(&state);
    let mut future = Box::pin(future);
    let run = poll_fn(move |cx| {
        if runner.cancelled.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let output = std::task::ready!(future.as_mut().poll(cx));
        // The waker is woken after the lock is released, because it may poll the task at once, or own the task and
        // drop it.
        let waker = {
            let mut result = lock(&runner.result);
            result.output = Some(output);
            result.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Poll::Ready(())
    });
    let job = executor::spawn(Box::pin(run), Until::ResponseEnds);
    Task { state, job, detached: false }
}

/// Runs a future to its end as a task, even after the response has been sent.
///
/// The client does not wait for the task, but the instance continues until the task ends. In WASI 0.2 the instance
/// takes no other request meanwhile. The task also runs if the client disconnects, but not if the handler panics.
/// Natively, [`test::block_on`](crate::test::block_on) waits for the task.
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
    executor::spawn(Box::pin(future), Until::ItEnds);
}

/// The handle of a spawned task. Awaiting it returns the result of the future; dropping it cancels the task.
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
    state: Arc<TaskState<T>>,
    job: Arc<Job>,
    detached: bool,
}

struct TaskState<T> {
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
    /// Lets the task continue without this handle, until the task or the exchange ends.
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
        // The new waker is cloned before the lock is taken, and the replaced waker is dropped after the lock is
        // released: cloning and dropping a waker run code of other crates, which may use this task.
        let waker = cx.waker().clone();
        let (output, _replaced) = {
            let mut result = lock(&self.state.result);
            match result.output.take() {
                Some(output) => (Some(output), Some(waker)),
                None => (None, result.waker.replace(waker)),
            }
        };
        if let Some(output) = output {
            return Poll::Ready(output);
        }
        if !Here::HAS_THREADS && !is_own(cx.waker()) {
            examine(cx.waker());
        }
        Poll::Pending
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.state.cancelled.store(true, Ordering::Relaxed);
            // The executor polls the woken task once more and then drops its future. Without this call, it would do
            // so only at the next wake-up of the future.
            self.job.wake_by_ref();
        }
    }
}

impl<T> std::fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("detached", &self.detached).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::task::Wake;
    use std::time::Duration;

    use super::*;
    use crate::sys::executor::blocking::block_on;
    use crate::time::sleep;

    /// Runs a function, and fails if it takes longer than a minute.
    #[track_caller]
    pub(crate) fn within_a_minute(run: impl FnOnce() + Send + 'static) {
        let (done, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            run();
            done.send(()).unwrap();
        });
        match told.recv_timeout(Duration::from_secs(60)) {
            Ok(()) => thread.join().unwrap(),
            Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not come to its end"),
        }
    }

    #[test]
    fn a_waker_may_poll_the_task_at_once() {
        struct AtOnce(Mutex<Task<u8>>, AtomicUsize);

        impl Wake for AtOnce {
            fn wake(self: Arc<Self>) {
                let waker = Waker::from(Arc::clone(&self));
                let polled = Pin::new(&mut *self.0.lock().unwrap()).poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(output) = polled {
                    self.1.store(output.into(), Ordering::Relaxed);
                }
            }
        }

        within_a_minute(|| {
            let output = block_on(async {
                let task = Arc::new(AtOnce(Mutex::new(spawn(async { 7 })), AtomicUsize::new(0)));
                Arc::clone(&task).wake();
                sleep(Duration::from_millis(1)).await;
                task.1.load(Ordering::Relaxed)
            });
            assert_eq!(output, 7);
        });
    }

    #[test]
    fn a_waker_may_own_the_task() {
        struct Owner(Mutex<Option<Task<()>>>);

        impl Wake for Owner {
            fn wake(self: Arc<Self>) {}
        }

        fn poll_with_owner(task: &mut Task<()>, owned: Option<Task<()>>) {
            let waker = Waker::from(Arc::new(Owner(Mutex::new(owned))));
            assert!(Pin::new(task).poll(&mut Context::from_waker(&waker)).is_pending());
        }

        within_a_minute(|| {
            block_on(async {
                let task = Arc::new(Owner(Mutex::new(Some(spawn(async {})))));
                let waker = Waker::from(Arc::clone(&task));
                {
                    let mut task = task.0.lock().unwrap();
                    let polled = Pin::new(task.as_mut().unwrap()).poll(&mut Context::from_waker(&waker));
                    assert!(polled.is_pending());
                }
                drop((task, waker));
                let mut other = spawn(sleep(Duration::from_millis(1)));
                poll_with_owner(&mut other, Some(spawn(std::future::pending())));
                poll_with_owner(&mut other, None);
                other.await;
            });
        });
    }

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
