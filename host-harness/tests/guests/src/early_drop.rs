//! Calls `UPSTREAM`, and drops the response before it writes the request body. Then writes the body, and calls again.

use wayside::{Body, Error, Request, client};

pub(crate) async fn handle(_: Request) -> Result<String, Error> {
    let upstream = std::env::var("UPSTREAM")?;
    let (mut upload, body) = Body::channel();
    let response = client::send(Request::post(&upstream).body(body)?).await?;
    let first = response.status();
    drop(response);
    for piece in ["one ", "two ", "three"] {
        upload.send(piece).await?;
    }
    upload.finish();
    let second = client::get(upstream).await?.status();
    Ok(format!("{first}, then {second}\n"))
}
