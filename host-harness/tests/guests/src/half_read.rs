//! Drops a body while it waits for the second piece: the body of the request, or with `/half-read/response` the body of
//! the response from `UPSTREAM`.

use std::time::Duration;

use wayside::{Error, Request, client, time};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    let mut body = match super::parameter(&request).as_str() {
        "response" => client::get(std::env::var("UPSTREAM")?).await?.into_body(),
        _ => request.into_body(),
    };
    let first = body.next_chunk().await.transpose()?.unwrap_or_default();
    let waited = time::timeout(Duration::from_millis(5), body.next_chunk()).await;
    drop(body);
    Ok(format!("{} bytes, then {}\n", first.len(), if waited.is_err() { "a pause" } else { "more" }))
}
