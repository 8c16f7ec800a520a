//! Reads a part of the request body and responds with the rest. The path says whether the part is one piece or
//! everything.

use wayside::{Error, Request, Response};

pub(crate) async fn handle(request: Request) -> Result<Response, Error> {
    let all = super::parameter(&request) == "all";
    let mut body = request.into_body();
    let mut read = 0;
    while let Some(piece) = body.next_chunk().await.transpose()? {
        read += piece.len();
        if !all {
            break;
        }
    }
    Ok(Response::builder().header("x-read", read).body(body)?)
}
