//! A future that waits for no event of the host: it wakes itself a thousand times.

use std::future::poll_fn;
use std::task::Poll;

use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls < 1000 { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    format!("{polls} polls\n")
}
