//! Sends `UPSTREAM` as many bytes as the path says, and ends at the response.

use wayside::{Error, Request, client};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    let bytes = vec![b'x'; super::parameter(&request).parse()?];
    let response = client::send(Request::post(std::env::var("UPSTREAM")?).body(bytes)?).await?;
    Ok(format!("{}\n", response.status()))
}
