//! A task that keeps waking itself, beside a future that waits for the host. The second segment of the path selects
//! this future.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use futures_util::stream;
use wayside::{Body, Error, IntoResponse, Request, Response, StatusCode, client, time};

/// The time after which the busy task gives up. It is longer than any wait here, and shorter than the time limit of a
/// request.
const PATIENCE: Duration = Duration::from_secs(20);

const TICK: Duration = Duration::from_millis(1);

pub(crate) async fn handle(request: Request) -> Result<Response, Error> {
    let stop = Stop::default();
    match super::parameter(&request).as_str() {
        "timer" => {
            let task = wayside::spawn(busy(stop.clone()));
            time::sleep(TICK).await;
            stop.set();
            Ok(task.await.into_response())
        }
        "root" => match select(pin!(busy(stop)), pin!(time::sleep(TICK))).await {
            Either::Left((how, _)) => Ok(how.into_response()),
            Either::Right(_) => Ok("the sleep came first".into_response()),
        },
        "body" => {
            let task = wayside::spawn(busy(stop.clone()));
            let text = request.into_body().text().await?;
            stop.set();
            Ok(format!("{text}, {}", task.await).into_response())
        }
        "call" => {
            let task = wayside::spawn(busy(stop.clone()));
            let text = client::get(&std::env::var("UPSTREAM")?).await?.into_body().text().await?;
            stop.set();
            Ok(format!("{text}, {}", task.await).into_response())
        }
        "ticks" => {
            wayside::spawn(busy(stop)).detach();
            Ok(Body::from_stream(ticks(time::interval(TICK))).into_response())
        }
        "bytes" => {
            wayside::spawn(busy(stop)).detach();
            Ok(vec![b'x'; 4 * 1024 * 1024].into_response())
        }
        "after" => {
            wayside::spawn(busy(Stop::default())).detach();
            wayside::wait_until(async move {
                time::sleep(TICK).await;
                println!("the sleep came first");
            });
            Ok("answered".into_response())
        }
        "until" => {
            wayside::wait_until(async {
                busy(stop).await;
            });
            Ok("answered".into_response())
        }
        _ => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

fn ticks(clock: time::Interval) -> impl futures_util::Stream<Item = Result<&'static str, Infallible>> {
    stream::unfold((clock, 0), |(mut clock, count)| async move {
        clock.tick().await;
        (count < 3).then_some((Ok("tick "), (clock, count + 1)))
    })
}

/// A switch that ends a busy future.
#[derive(Clone, Default)]
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns a future that wakes itself until it is stopped, or until `PATIENCE` is over.
fn busy(stop: Stop) -> impl Future<Output = &'static str> {
    let start = Instant::now();
    println!("busy");
    poll_fn(move |cx| {
        if stop.0.load(Ordering::Relaxed) {
            return Poll::Ready("stopped");
        }
        if start.elapsed() > PATIENCE {
            println!("gave up");
            return Poll::Ready("gave up");
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
