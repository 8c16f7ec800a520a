//! A body that a spawned task writes. With `/dropped` in the path, the task drops the sender without `finish`.

use wayside::{Body, Request, body};

pub(crate) async fn handle(request: Request) -> Body {
    let finish = super::parameter(&request) != "dropped";
    let (mut sender, body) = Body::channel();
    wayside::spawn(async move {
        for piece in ["one ", "two ", "three"] {
            sender.send(piece).await?;
        }
        if finish {
            sender.finish();
        }
        Ok::<(), body::Error>(())
    })
    .detach();
    body
}
