//! Sends `UPSTREAM` a request without content, with the method in the path; `?stream` makes its body a stream.

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
