//! Prints on stderr what happens when the client hangs up: to the response body, and to the background work, which ends
//! after the body has been dropped.

use std::convert::Infallible;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::stream;
use wayside::{Body, Request, time, wait_until};

pub(crate) async fn handle(_: Request) -> Body {
    let (body, gone) = oneshot::channel();
    wait_until(async {
        // Waits until the body is dropped: the body owns the sender, which never sends.
        let _ = gone.await;
        time::sleep(Duration::from_millis(10)).await;
        eprintln!("the work was done");
    });
    let owned = SaysWhenDropped { _body: body };
    Body::from_stream(stream::repeat_with(move || {
        let _owned_by_the_body = &owned;
        Ok::<_, Infallible>(vec![b'x'; 16 * 1024])
    }))
}

struct SaysWhenDropped {
    _body: oneshot::Sender<()>,
}

impl Drop for SaysWhenDropped {
    fn drop(&mut self) {
        eprintln!("the body was dropped");
    }
}
