//! Wakers that poll their task inside `wake`; the second segment of the path selects the task.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use wayside::{Body, Request, time};

pub(crate) async fn handle(request: Request) -> String {
    let polled = match super::parameter(&request).as_str() {
        "channel" => channel().await,
        "task" => task().await,
        "timer" => {
            let polled = AtOnce::start(time::sleep(Duration::from_millis(1)));
            time::sleep(Duration::from_millis(5)).await;
            polled
        }
        "owned" => return owned().await,
        _ => return "unknown".to_owned(),
    };
    format!("polled to its end: {}", polled.is_done())
}

async fn channel() -> Arc<AtOnce> {
    let (mut sender, body) = Body::channel();
    let polled = AtOnce::start(async move { drop(body.bytes().await) });
    for piece in ["one", "two"] {
        let _ = sender.send(piece).await;
    }
    sender.finish();
    polled
}

async fn task() -> Arc<AtOnce> {
    let polled = AtOnce::start(wayside::spawn(async {}));
    time::sleep(Duration::from_millis(1)).await;
    polled
}

/// Polls a body with a waker that owns the body, so that both are dropped together.
async fn owned() -> String {
    let (sender, body) = Body::channel();
    let owner = Arc::new(Owner(Mutex::new(Some(body))));
    let waker = Waker::from(Arc::clone(&owner));
    if let Ok(mut body) = owner.0.lock()
        && let Some(body) = body.as_mut()
    {
        let mut next = std::pin::pin!(body.next_chunk());
        let _pending = next.as_mut().poll(&mut Context::from_waker(&waker));
    }
    drop((owner, waker));
    // The channel still holds a clone of the waker, which is now the only owner of the body.
    drop(sender);
    "the waker went with its body".to_owned()
}

struct Owner(Mutex<Option<Body>>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

/// A waker that polls its future inside `wake`.
struct AtOnce(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl AtOnce {
    fn start(future: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        let this = Arc::new(Self(Mutex::new(Some(Box::pin(future)))));
        Arc::clone(&this).wake();
        this
    }

    fn is_done(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl Wake for AtOnce {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        // Takes the future out of the mutex while it is polled, because the future may wake itself.
        let Some(mut future) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
        }
    }
}
