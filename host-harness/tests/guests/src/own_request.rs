//! Sends `UPSTREAM` a request with the method in the path and without content. With `?stream`, its body is an empty
//! stream.

use wayside::{Body, Error, Request, client};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    let body = if request.uri().query() == Some("stream") {
        Body::from_http_body(Body::empty())
    } else {
        Body::empty()
    };
    let method = super::parameter(&request);
    let outgoing = Request::builder().method(method.as_str()).uri(std::env::var("UPSTREAM")?).body(body)?;
    Ok(format!("{}\n", client::send(outgoing).await?.status()))
}
