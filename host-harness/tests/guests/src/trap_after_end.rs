//! Traps after its response is complete.

use std::future::pending;

use wayside::{Body, Request};

pub(crate) async fn handle(_: Request) -> Body {
    let (mut sender, body) = Body::channel();
    wayside::spawn(async move {
        let _trap = TrapOnDrop;
        if sender.send("all of it").await.is_ok() {
            sender.finish();
        }
        // Never completes: the SDK drops this task when the exchange has ended, and `_trap` with it.
        pending::<()>().await;
    })
    .detach();
    body
}

struct TrapOnDrop;

impl Drop for TrapOnDrop {
    fn drop(&mut self) {
        super::trap::trap()
    }
}
