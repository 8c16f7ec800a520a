//! Writes until the reader has gone, and prints on stderr how it noticed.

use wayside::{Body, Request};

pub(crate) async fn handle(_: Request) -> Body {
    let (mut sender, body) = Body::channel();
    wayside::spawn(async move {
        loop {
            if let Err(error) = sender.send(vec![b'x'; 16 * 1024]).await {
                eprintln!("writer stopped: closed={}: {error}", error.is_closed());
                return;
            }
        }
    })
    .detach();
    body
}
