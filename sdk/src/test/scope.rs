//! Keeps the upstream and the clock of a test in effect for the tasks of `wait_until` that run after the future of
//! the test.
//!
//! The guards of a test are dropped when its future ends, but the tasks of `wait_until` run later. So the state
//! before the last drops is saved, and restored for these tasks. A drop is one of the last if the future does nothing
//! after it that depends on guards: it does not wait, make an outbound call, or set up another guard.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::thread;

use crate::sys::executor::{blocking, take_spawned};
use crate::sys::timer::{self, Paused};
use crate::sys::{self, Upstream};

/// The state that guards set: the upstream and the clock.
struct TestState {
    /// The number of outbound calls when the state was saved. A later call makes the saved state outdated.
    calls: u64,
    outbound: Option<Rc<dyn Upstream>>,
    paused: Option<Paused>,
}

impl TestState {
    /// Sets this state, and returns the previous one.
    fn swap(self) -> Self {
        Self { calls: self.calls, outbound: sys::set_outbound(self.outbound), paused: timer::set_clock(self.paused) }
    }
}

impl TestState {
    fn is_current(&self) -> bool {
        self.calls == sys::calls()
    }
}

thread_local! {
    /// The number of calls of `run` that have not returned: a future in `run` may call it again.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// The state before the last drops of guards; `None` if no drop is one of the last.
    static DROPPED: RefCell<Option<TestState>> = const { RefCell::new(None) };
}

/// Runs a future, and then its tasks of `wait_until`, with the state before the last drops of guards.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let _running = Running::new();
    let mut future = pin!(future);
    let output = blocking::block_on(poll_fn(|cx| {
        note_change();
        future.as_mut().poll(cx)
    }));
    let _kept = DROPPED.take().filter(TestState::is_current).map(Restored::new);
    blocking::end();
    output
}

/// Saves the state before a guard is dropped, unless the state before an earlier drop is still current.
pub(super) fn guard_dropped() {
    if DEPTH.get() > 0 && !DROPPED.with_borrow(|dropped| dropped.as_ref().is_some_and(TestState::is_current)) {
        let state = TestState { calls: sys::calls(), outbound: sys::outbound(), paused: timer::clock() };
        let _outdated = DROPPED.replace(Some(state));
    }
}

/// Discards the saved state. Called when the future is polled again or sets up a guard: earlier drops were then not
/// the last ones.
pub(crate) fn note_change() {
    let _before = DROPPED.take();
}

/// A guard that exists while `run` runs a future. If the future panics, the guard drops its tasks, so that they do
/// not run in the next test on this thread.
struct Running;

impl Running {
    fn new() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if thread::panicking() && DEPTH.get() == 0 {
            note_change();
            // Dropping a future may spawn another one.
            while !take_spawned().is_empty() {}
        }
    }
}

/// A guard that keeps a saved state in effect until the guard is dropped.
struct Restored {
    before: Option<TestState>,
}

impl Restored {
    fn new(kept: TestState) -> Self {
        Self { before: Some(kept.swap()) }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        let _kept = self.before.take().map(TestState::swap);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::catch_unwind;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use crate::test::{self, Call, Mock};
    use crate::{client, spawn, time, wait_until};

    /// Starts a task of `wait_until` that makes an outbound call. The task stores the text of the response or of the
    /// error in the returned string.
    fn call_later(url: &'static str) -> Arc<Mutex<String>> {
        let noted = Arc::new(Mutex::new(String::new()));
        let note = Arc::clone(&noted);
        wait_until(async move {
            time::sleep(Duration::from_millis(1)).await;
            let text = match client::get(url).await {
                Ok(response) => response.into_body().text().await.unwrap(),
                Err(error) => error.to_string(),
            };
            *note.lock().unwrap() = text;
        });
        noted
    }

    fn mock(url: &'static str) -> Mock {
        Mock::new().reply(Call::get(url), move |_| url)
    }

    #[test]
    fn an_upstream_set_up_in_a_test_answers_the_work_after_it() {
        let noted = test::block_on(async {
            let _upstream = test::outbound(mock("http://a.test/"));
            call_later("http://a.test/")
        });
        assert_eq!(*noted.lock().unwrap(), "http://a.test/");
    }

    #[test]
    fn an_upstream_set_up_after_the_work_was_left_answers_it() {
        let noted = test::block_on(async {
            let noted = call_later("http://a.test/");
            let _upstream = test::outbound(mock("http://a.test/"));
            noted
        });
        assert_eq!(*noted.lock().unwrap(), "http://a.test/");
    }

    #[test]
    fn a_mock_that_expects_another_call_fails_the_test() {
        let panic = catch_unwind(|| {
            test::block_on(async {
                let _upstream = test::outbound(mock("http://a.test/expected"));
                call_later("http://a.test/made");
            });
        });
        let text = panic.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains("no expected call matches GET http://a.test/made"), "{text}");
    }

    #[test]
    fn a_mock_whose_call_does_not_come_in_the_work_after_it_fails_the_test() {
        let panic = catch_unwind(|| {
            test::block_on(async {
                let _upstream = test::outbound(mock("http://a.test/expected"));
                wait_until(async {});
            });
        });
        let text = panic.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains("GET http://a.test/expected: expected once or more, never came"), "{text}");
    }

    #[test]
    fn a_guard_of_a_test_that_ends_early_stays_in_place() {
        async fn early(fails: bool) -> Result<Arc<Mutex<String>>, Arc<Mutex<String>>> {
            let _outer = test::outbound(mock("http://outer.test/").unverified());
            let _inner = test::outbound(mock("http://inner.test/"));
            let noted = call_later("http://inner.test/");
            if fails {
                Err(Arc::clone(&noted))?;
            }
            Ok(noted)
        }
        for fails in [false, true] {
            let (Ok(noted) | Err(noted)) = test::block_on(early(fails));
            assert_eq!(*noted.lock().unwrap(), "http://inner.test/");
        }
    }

    #[test]
    fn a_guard_that_the_future_owns_stays_in_place() {
        let upstream = test::outbound(mock("http://a.test/"));
        let noted = test::block_on(std::future::poll_fn(move |_| {
            let _owned = &upstream;
            std::task::Poll::Ready(call_later("http://a.test/"))
        }));
        assert_eq!(*noted.lock().unwrap(), "http://a.test/");
    }

    #[test]
    fn a_guard_that_is_dropped_earlier_is_gone() {
        let noted = test::block_on(async {
            let _outer = test::outbound(mock("http://outer.test/"));
            drop(test::outbound(mock("http://inner.test/").unverified()));
            let noted = call_later("http://outer.test/");
            time::sleep(Duration::from_millis(1)).await;
            noted
        });
        assert_eq!(*noted.lock().unwrap(), "http://outer.test/");
    }

    #[test]
    fn nothing_stays_in_place_after_the_work() {
        test::block_on(async {
            let _upstream = test::outbound(mock("http://a.test/"));
            call_later("http://a.test/");
        });
        let error = test::block_on(client::get("http://a.test/")).unwrap_err();
        assert!(error.is_denied(), "{error}");
    }

    #[test]
    fn a_clock_stopped_in_a_test_stands_still_for_the_work_after_it() {
        static DONE: AtomicUsize = AtomicUsize::new(0);
        test::block_on(async {
            let _paused = test::pause();
            wait_until(async {
                time::sleep(Duration::from_secs(86_400)).await;
                DONE.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(DONE.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_a_test_that_panics_left_behind_goes_with_it() {
        static LATE: AtomicUsize = AtomicUsize::new(0);
        let panic = catch_unwind(|| {
            test::block_on(async {
                spawn(async {
                    time::sleep(Duration::ZERO).await;
                    LATE.fetch_add(1, Ordering::Relaxed);
                })
                .detach();
                wait_until(std::future::pending());
                panic!("on purpose");
            });
        });
        panic.unwrap_err();
        test::block_on(time::sleep(Duration::from_millis(1)));
        assert_eq!(LATE.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_test_inside_a_test_keeps_what_the_outer_one_set_up() {
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        test::block_on(async {
            let _upstream = test::outbound(move |_| {
                count.set(count.get() + 1);
                std::future::ready("hello")
            });
            test::block_on(async { drop(test::outbound(Mock::new())) });
            client::get("http://a.test/").await.unwrap();
        });
        assert_eq!(asked.get(), 1);
    }
}
