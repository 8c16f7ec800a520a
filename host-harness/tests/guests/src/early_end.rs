//! Sends `UPSTREAM` as many bytes as the path says, and responds as soon as the head of the response arrives.

use wayside::{Error, Request, client};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    let bytes = vec![b'x'; super::parameter(&request).parse()?];
    let response = client::send(Request::post(std::env::var("UPSTREAM")?).body(bytes)?).await?;
    Ok(format!("{}\n", response.status()))
}
