//! Wakers that own the task that they wake, as in nested executors. A timer loses its waker if it gets another one or
//! is dropped. Then the timer that the waker owns is dropped too.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use wayside::time::{Sleep, sleep};
use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    let replaced = with_waker_that_owns(sleep(Duration::from_secs(60)), sleep(Duration::from_millis(1)));
    replaced.await;
    drop(with_waker_that_owns(sleep(Duration::from_secs(60)), sleep(Duration::from_secs(60))));
    "both were given up\n".to_owned()
}

/// Polls a timer with a waker that is the only owner of another timer.
fn with_waker_that_owns(mut owned: Sleep, mut timer: Sleep) -> Sleep {
    poll(&mut owned, Waker::noop());
    poll(&mut timer, &Waker::from(Arc::new(Owner { _timer: Mutex::new(owned) })));
    timer
}

fn poll(timer: &mut Sleep, waker: &Waker) {
    let _pending = Future::poll(Pin::new(timer), &mut Context::from_waker(waker));
}

struct Owner {
    _timer: Mutex<Sleep>,
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}
