//! Detects executors of other crates that block the only thread and would therefore wait forever.
//!
//! `futures::executor::block_on(sleep)` in a handler polls the timer once and then blocks the thread, so that the
//! SDK's executor, which would wake the timer, never runs. In a component `std::thread::park` returns at once: such
//! an executor spins silently until the host ends the instance.
//!
//! The wakers of such an executor must be distinguished from the wakers of combinators, such as `FuturesUnordered`,
//! which wake the task around the combinator. When a future of the SDK is polled with an unknown kind of waker, the
//! SDK calls that waker. A combinator passes the wake-up on to a waker of the SDK, and a cooperative executor lets
//! the SDK's executor poll again. In either case, the kind of waker counts as harmless from then on. An executor that
//! blocks polls the same future again and again.

use std::cell::Cell;
use std::task::Waker;

/// The number of polls with one kind of waker, without a poll by the SDK's executor in between, after which the wait
/// counts as endless. Cooperative executors yield after some hundred polls.
const MAX_POLLS: u16 = 10_000;

/// A kind of foreign waker: all wakers with the same vtable.
#[derive(Clone, Copy)]
struct WakerKind {
    /// The address of the vtable.
    address: usize,
    /// The round of the last poll with such a waker.
    round: u16,
    /// The number of polls with such a waker in that round; 0 once such wakers are known to let the SDK's executor
    /// run.
    polls: u16,
}

const NONE: [WakerKind; 6] = [WakerKind { address: 0, round: 0, polls: 0 }; 6];

thread_local! {
    /// The number of wake-ups of the SDK's wakers on this thread.
    static WAKES: Cell<u32> = const { Cell::new(0) };
    /// The number of polls by the SDK's executor on this thread.
    static ROUND: Cell<u16> = const { Cell::new(0) };
    /// The vtable addresses of the SDK's own wakers: `ROOT` for the main future, `SPAWNED` for spawned futures.
    static ROOT: Cell<usize> = const { Cell::new(0) };
    static SPAWNED: Cell<usize> = const { Cell::new(0) };
    /// The kinds of foreign wakers that polled last.
    static FOREIGN: Cell<[WakerKind; 6]> = const { Cell::new(NONE) };
}

fn address(waker: &Waker) -> usize {
    std::ptr::from_ref(waker.vtable()).addr()
}

/// Notes that the executor is about to poll its main future.
pub(crate) fn begin_root(waker: &Waker) {
    ROOT.set(address(waker));
    ROUND.set(ROUND.get().wrapping_add(1));
}

/// Notes that the executor is about to poll a spawned future.
pub(crate) fn begin_spawned(waker: &Waker) {
    SPAWNED.set(address(waker));
    ROUND.set(ROUND.get().wrapping_add(1));
}

/// Notes a wake-up of one of the SDK's wakers.
pub(crate) fn count_wake() {
    // A future may also be woken while the thread ends, when `WAKES` may be gone.
    let _ = WAKES.try_with(|wakes| wakes.set(wakes.get().wrapping_add(1)));
}

/// Whether a waker is one of the SDK's, which can be cloned, woken and dropped without running foreign code.
pub(crate) fn is_own(waker: &Waker) -> bool {
    let address = address(waker);
    ROOT.get() == address || SPAWNED.get() == address
}

/// Examines a foreign waker of a future that only the SDK's executor can complete.
///
/// Calls the waker if its kind is not known to be harmless, so the caller must hold no borrow and no lock.
///
/// # Panics
///
/// Panics if the owner of the waker keeps the SDK's executor from running.
#[cold]
#[inline(never)]
#[expect(clippy::panic, reason = "waiting for ever would be worse, and say nothing")]
pub(crate) fn examine(waker: &Waker) {
    let (address, round) = (address(waker), ROUND.get());
    let known = FOREIGN.get().into_iter().find(|kind| kind.address == address);
    let mut kind = known.unwrap_or(WakerKind { address, round, polls: 1 });
    if known.is_some() && kind.polls == 0 {
        return;
    }
    if kind.round == round {
        let wakes = WAKES.get();
        waker.wake_by_ref();
        kind.polls = if WAKES.get() == wakes { kind.polls + 1 } else { 0 };
    } else {
        kind.polls = 0;
    }
    if kind.polls == MAX_POLLS {
        // A native test may catch the panic and continue, so the counts start anew.
        FOREIGN.set(NONE);
        panic!(
            "an executor of another crate, such as `futures::executor::block_on`, keeps the only thread from what it waits \
             for; use `.await`, and `wayside::test::block_on` in a test"
        );
    }
    remember(kind);
}

fn remember(kind: WakerKind) {
    let mut kinds = FOREIGN.get();
    match kinds.iter_mut().find(|known| known.address == kind.address) {
        Some(known) => *known = kind,
        None => {
            // Inserts the new kind at the front: each known kind moves by one place, and the last one is dropped.
            let mut moved = kind;
            kinds.iter_mut().for_each(|place| std::mem::swap(place, &mut moved));
        }
    }
    FOREIGN.set(kinds);
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use futures_util::future::{FutureExt as _, select};
    use futures_util::stream::{FuturesUnordered, StreamExt as _};

    use crate::time::sleep;
    use crate::{spawn, test};

    const TICK: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_secs(3600);

    #[track_caller]
    fn assert_says_what_to_use(wait: impl FnOnce()) {
        let panic = catch_unwind(AssertUnwindSafe(wait)).unwrap_err();
        let text = panic.downcast_ref::<&str>().unwrap();
        assert!(text.contains("use `.await`, and `wayside::test::block_on` in a test"), "{text}");
    }

    #[test]
    fn an_executor_that_blocks_the_thread_in_a_handler_is_a_panic_that_says_what_to_use() {
        assert_says_what_to_use(|| test::block_on(async { futures_executor::block_on(sleep(HOUR)) }));
        assert_says_what_to_use(|| test::block_on(async { pollster::block_on(sleep(HOUR)) }));
        assert_says_what_to_use(|| {
            test::block_on(async { spawn(async { futures_executor::block_on(sleep(HOUR)) }).await })
        });
        assert_says_what_to_use(|| {
            test::block_on(async {
                let sleeps: FuturesUnordered<_> = (0..3).map(|_| sleep(HOUR)).collect();
                drop(futures_executor::block_on(sleeps.collect::<Vec<_>>()));
            })
        });
    }

    #[test]
    fn an_executor_of_another_crate_around_a_handler_is_a_panic_that_says_what_to_use() {
        assert_says_what_to_use(|| futures_executor::block_on(sleep(HOUR)));
    }

    #[test]
    fn an_executor_that_blocks_later_is_found_as_well() {
        assert_says_what_to_use(|| {
            test::block_on(async {
                let mut timer = sleep(HOUR);
                assert!((&mut timer).now_or_never().is_none());
                sleep(Duration::ZERO).await;
                spawn(async {}).await;
                futures_executor::block_on(timer);
            })
        });
    }

    #[test]
    fn what_is_ready_may_be_awaited_anywhere() {
        test::block_on(async { futures_executor::block_on(sleep(Duration::ZERO)) });
    }

    #[test]
    fn combinators_with_wakers_of_their_own_go_on() {
        test::block_on(async {
            let sleeps: FuturesUnordered<_> = (0..50).map(|number| sleep(TICK * (number % 3))).collect();
            assert_eq!(sleeps.count().await, 50);
            let shared = sleep(TICK).shared();
            futures_util::join!(shared.clone(), shared);
            select(sleep(TICK), sleep(2 * TICK)).await;
        });
    }

    #[test]
    fn a_future_may_be_looked_at_without_waiting() {
        test::block_on(async {
            let mut timer = sleep(TICK);
            for _ in 0..20 {
                assert!((&mut timer).now_or_never().is_none());
            }
            timer.await;
        });
    }

    #[test]
    fn an_executor_that_gives_way_goes_on() {
        use futures_util::task::{ArcWake, waker};
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};

        struct Woken(AtomicBool);

        impl ArcWake for Woken {
            fn wake_by_ref(this: &Arc<Self>) {
                this.0.store(true, Ordering::Relaxed);
            }
        }

        test::block_on(async {
            let woken = Arc::new(Woken(AtomicBool::new(true)));
            let mut timer = pin!(sleep(TICK));
            poll_fn(|cx| {
                for _ in 0..200 {
                    if woken.0.swap(false, Ordering::Relaxed) {
                        let waker = waker(Arc::clone(&woken));
                        if timer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                            return Poll::Ready(());
                        }
                    }
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        });
    }
}
