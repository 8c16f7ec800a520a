//! Wakers that own what they wake, as those of executors inside executors do: a timer that loses its waker, because it gets
//! another one or goes itself, takes the timer with it that the waker owns.

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

/// Polls a timer with a waker that owns another timer, and that nobody else knows.
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
