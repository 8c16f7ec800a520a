//! Echoes the request body, and adds trailers to those that it came with. With `/stream` in the path, the component
//! itself streams the body; otherwise the host moves it.

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
