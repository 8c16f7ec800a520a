//! The executor of worlds that block: one future runs to its end on its thread.

use std::future::Future;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Job, Until, hooks, is_alone, nested, run_spawned, take_spawned};
use crate::sys::{Here, World};

/// A world whose executor blocks the thread.
pub(crate) trait Blocking: World {
    /// Code of this world that only components with spawned futures need.
    type Beside: 'static;
    const BESIDE: Self::Beside;

    /// Waits for an event that a future of this thread waits for, and wakes that future.
    ///
    /// May return before there is such an event.
    ///
    /// # Panics
    ///
    /// Panics if no event can come.
    fn park();

    /// Wakes the futures of this thread whose events have come, without waiting.
    ///
    /// The executor calls this function between rounds while a future keeps waking itself.
    fn look();

    /// Makes the waker of [`block_on`]'s main future.
    fn root() -> impl Root;
}

/// The waker of [`block_on`]'s main future.
pub(crate) trait Root {
    fn waker(&self) -> Waker;

    /// Whether the main future has been woken since the last call of this method.
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

/// Runs a future to its end, and the spawned futures meanwhile.
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
            let progress = hooks().is_some_and(|hooks| (hooks.run)());
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
/// While a future keeps waking itself, the executor never parks. It then checks for events of the host without
/// waiting; otherwise timers, bodies and calls would make no progress. It skips this check before the first round
/// after the start or after a wait, so that an exchange without a busy future does not pay for it.
#[derive(Default)]
struct Pace {
    owes_look: bool,
}

impl Pace {
    /// Called before the next round if a future has been woken.
    fn go_on(&mut self) {
        if mem::replace(&mut self.owes_look, true) {
            Here::look();
        }
    }

    /// Called before the next round if no future has been woken.
    fn wait(&mut self) {
        Here::park();
        self.owes_look = false;
    }
}

/// Ends an exchange: polls the woken spawned futures once more, runs the futures of `wait_until` to their end, and
/// drops the rest.
///
/// In the last poll, a task that writes a body can learn that its reader is gone. The exchange may have ended because
/// the client disconnected.
pub(crate) fn end() {
    if let Some(hooks) = hooks() {
        (hooks.end)();
    }
}

/// The code for spawned futures in this model.
pub(crate) struct Hooks {
    run: fn() -> bool,
    end: fn(),
    #[allow(dead_code, reason = "natively no response is sent")]
    pub(crate) world: <Here as Blocking>::Beside,
}

pub(super) static HOOKS: Hooks = Hooks { run: run_spawned, end: end_spawned, world: Here::BESIDE };

fn end_spawned() {
    run_spawned();
    let mut pace = Pace::default();
    while !is_alone() {
        while super::any_until(Until::ItEnds) {
            if run_spawned() {
                pace.go_on();
            } else {
                pace.wait();
            }
        }
        // Dropping a future may spawn another one that must run to its end.
        drop(take_spawned());
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::{Duration, Instant};

    use futures_util::future::{Either, select};

    use std::future::Future;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Poll;

    use crate::{spawn, test, time, wait_until};

    const TICK: Duration = Duration::from_millis(1);

    /// Returns a future that keeps waking itself until `stop` is set, for ten seconds at most. Its output tells
    /// whether `stop` was set.
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
                    // The busy task sees `stop` and ends while this future sleeps.
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
