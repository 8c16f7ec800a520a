//! Reads the trailers of the request and sends them back as trailers of the response.

use wayside::{Body, Error, Request, Response};

pub(crate) async fn handle(request: Request) -> Result<Response, Error> {
    let trailers = request.into_body().trailers().await?;
    let body = Body::from("data");
    let mut response = Response::new(match trailers {
        Some(trailers) => body.with_trailers(trailers),
        None => body,
    });
    response.headers_mut().insert("trailer", wayside::HeaderValue::from_static("x-digest"));
    Ok(response)
}
