//! Reports how the request body arrived: whether in several pieces, and the number of bytes.

use wayside::{Error, Request};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    let mut body = request.into_body();
    let (mut pieces, mut bytes) = (0, 0);
    while let Some(piece) = body.next_chunk().await {
        pieces += 1;
        bytes += piece?.len();
    }
    Ok(format!("{bytes} bytes in {} pieces\n", if pieces > 1 { "several" } else { "at most one" }))
}
