//! The executor of a world that polls: each exchange is a future that returns to the host whenever it waits.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{SPAWNED, Spawned, Until, any_until, hooks, run_spawned, take_spawned};

/// Runs an exchange: `future` together with the spawned futures. The returned future completes when `future` and all
/// futures of `wait_until` have ended.
pub(crate) fn run<F: Future<Output = ()>>(future: F) -> impl Future<Output = ()> {
    PolledExchange { future: Some(future), spawned: VecDeque::new() }
}

pin_project! {
    /// An exchange. Several may be in flight on a thread; each has its own spawned futures.
    struct PolledExchange<F> {
        #[pin]
        future: Option<F>,
        // The spawned futures of this exchange. They are swapped into the thread-local `SPAWNED` while the exchange
        // is polled.
        spawned: VecDeque<Spawned>,
    }
}

impl<F: Future<Output = ()>> Future for PolledExchange<F> {
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
        let over = hooks().map_or(ended, |hooks| (hooks.poll)(ended));
        SPAWNED.with_borrow_mut(|spawned| mem::swap(spawned, this.spawned));
        if over { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The code for spawned futures in this model.
pub(crate) struct Hooks {
    poll: fn(bool) -> bool,
}

pub(super) static HOOKS: Hooks = Hooks { poll: poll_spawned };

/// Polls the spawned futures of an exchange. Returns whether the exchange is over: its own future has `ended`, and no
/// future of `wait_until` is left.
fn poll_spawned(ended: bool) -> bool {
    // The waker of a spawned future wakes the exchange too, so this call comes after each wake-up.
    run_spawned();
    let over = ended && !any_until(Until::ItEnds);
    if over {
        // Dropping a future may spawn another one.
        while !take_spawned().is_empty() {}
    }
    over
}
