//! Runs executors of other crates inside the handler; the second segment of the path selects one.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use wayside::{IntoResponse, Request, Response, StatusCode, client, time};

const SHORT: Duration = Duration::from_millis(1);

pub(crate) async fn handle(request: Request) -> Response {
    let name = super::parameter(&request);
    match name.as_str() {
        "futures" => futures_executor::block_on(time::sleep(SHORT)),
        "pollster" => pollster::block_on(time::sleep(SHORT)),
        "body" => drop(futures_executor::block_on(request.into_body().bytes())),
        "call" => drop(futures_executor::block_on(client::get(std::env::var("UPSTREAM").unwrap_or_default()))),
        "task" => futures_executor::block_on(wayside::spawn(async {})),
        "joined" => drop(futures_executor::block_on(futures_util::future::join(time::sleep(SHORT), time::sleep(SHORT)))),
        "collected" => drop(futures_executor::block_on(sleeps(3).collect::<Vec<_>>())),
        "late" => {
            time::sleep(SHORT).await;
            futures_executor::block_on(time::sleep(SHORT));
        }
        "spawned" => wayside::spawn(async { futures_executor::block_on(time::sleep(SHORT)) }).await,
        // These futures poll inner futures with separate wakers, but do not block the thread.
        "unordered" => drop(sleeps(40).collect::<Vec<_>>().await),
        "once" => once(10).await,
        "gives-way" => GivesWay::new(time::sleep(SHORT)).await,
        _ => return StatusCode::NOT_FOUND.into_response(),
    }
    format!("{name} is done").into_response()
}

fn sleeps(count: u64) -> FuturesUnordered<time::Sleep> {
    (0..count).map(|number| time::sleep(Duration::from_millis(number % 5))).collect()
}

/// Polls each of two timers several times with wakers that do nothing, and then awaits it.
async fn once(times: u32) {
    let mut timer = time::sleep(SHORT);
    for _ in 0..times {
        assert!((&mut timer).now_or_never().is_none());
    }
    timer.await;
    let mut other = pin!(time::sleep(SHORT));
    for _ in 0..times {
        let looked = poll_fn(|_| Poll::Ready(other.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        assert!(looked.await.is_pending());
    }
    other.await;
}

/// An executor that polls its future when the future has been woken. After 200 attempts it gives way to the outer
/// executor.
struct GivesWay {
    future: time::Sleep,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl GivesWay {
    fn new(future: time::Sleep) -> Self {
        Self { future, woken: Arc::new(Woken(AtomicBool::new(true))) }
    }
}

impl Future for GivesWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = Waker::from(Arc::clone(&self.woken));
        for _ in 0..200 {
            if self.woken.0.swap(false, Ordering::Relaxed)
                && Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker)).is_ready()
            {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
