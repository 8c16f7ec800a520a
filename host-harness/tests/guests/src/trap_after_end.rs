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
        // Dropped when the exchange has ended.
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
