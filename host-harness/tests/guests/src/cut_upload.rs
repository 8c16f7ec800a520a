//! Starts an upload to `UPSTREAM` without a length, and fails in the middle of it. The path says whether by a panic or
//! by a trap.

use futures_util::{StreamExt as _, stream};
use wayside::{Body, Error, Request, client};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    let how = super::parameter(&request);
    let upstream = std::env::var("UPSTREAM")?;
    let pieces = stream::iter(["first part"].map(Ok::<_, std::io::Error>)).chain(stream::pending());
    let response = client::send(Request::post(&upstream).body(Body::from_stream(pieces))?).await?;
    // The upload is still unfinished here, although the response has arrived.
    match how.as_str() {
        "panic" => panic!("in the middle of an upload"),
        "trap" => super::trap::trap(),
        _ => Ok(response.into_body().text().await?),
    }
}
