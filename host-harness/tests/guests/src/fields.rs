//! Responds with headers and trailers. The path lists the sizes of the header values in bytes, the query those of the
//! trailer values.

use wayside::{Body, HeaderMap, HeaderName, HeaderValue, Request, Response};

pub(crate) async fn handle(request: Request) -> Response {
    let body = match request.uri().query() {
        Some(sizes) => Body::from("fits").with_trailers(fields(sizes)),
        None => Body::from("fits"),
    };
    let mut response = Response::new(body);
    *response.headers_mut() = fields(&super::parameter(&request));
    response
}

/// Parses sizes such as `3x1000,5`: three of 1000 bytes and one of 5.
fn fields(sizes: &str) -> HeaderMap {
    let sizes = sizes.split(',').flat_map(|size| {
        let (count, size) = size.split_once('x').unwrap_or(("1", size));
        std::iter::repeat_n(size.parse().unwrap_or(0), count.parse().unwrap_or(0))
    });
    let fields = sizes.enumerate().filter_map(|(number, size)| {
        let name = HeaderName::try_from(format!("x-{number}")).ok()?;
        Some((name, HeaderValue::try_from("v".repeat(size)).ok()?))
    });
    fields.collect()
}
