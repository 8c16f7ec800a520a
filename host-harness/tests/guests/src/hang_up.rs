//! Says on stderr what becomes of a response whose client hangs up: of its body, and of the work that is waited for.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream;
use wayside::{Body, Request, time, wait_until};

pub(crate) async fn handle(_: Request) -> Body {
    wait_until(async {
        time::sleep(Duration::from_millis(10)).await;
        eprintln!("the work was done");
    });
    let dropped = SaysWhenDropped;
    Body::from_stream(stream::repeat_with(move || {
        let _owned_by_the_body = &dropped;
        Ok::<_, Infallible>(vec![b'x'; 16 * 1024])
    }))
}

struct SaysWhenDropped;

impl Drop for SaysWhenDropped {
    fn drop(&mut self) {
        eprintln!("the body was dropped");
    }
}
