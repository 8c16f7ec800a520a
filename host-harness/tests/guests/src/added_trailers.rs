//! Sends the body of the request back and adds trailers to those that it has: as it came, or as a stream of the component.

use wayside::{Body, HeaderMap, HeaderValue, Request};

pub(crate) async fn handle(request: Request) -> Body {
    let is_stream = super::parameter(&request) == "stream";
    let mut trailers = HeaderMap::new();
    trailers.insert("x-own", HeaderValue::from_static("new"));
    trailers.append("x-added", HeaderValue::from_static("1"));
    trailers.append("x-added", HeaderValue::from_static("2"));
    let body = request.into_body();
    let body = if is_stream { Body::from_http_body(body) } else { body };
    body.with_trailers(trailers)
}
