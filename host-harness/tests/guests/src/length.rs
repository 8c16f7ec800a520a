//! Responds with a body of ten bytes and the `content-length` in the path. With `?stream`, the body is a stream.

use std::convert::Infallible;

use futures_util::stream;
use wayside::{Body, HeaderValue, Request, Response};

pub(crate) async fn handle(request: Request) -> Response {
    let streams = request.uri().query() == Some("stream");
    let body = if streams {
        Body::from_stream(stream::iter(["01234", "56789"].map(Ok::<_, Infallible>)))
    } else {
        Body::from("0123456789")
    };
    let mut response = Response::new(body);
    if let Ok(length) = HeaderValue::try_from(super::parameter(&request)) {
        response.headers_mut().insert("content-length", length);
    }
    response
}
