//! A body of ten bytes that fails as the path `/body-faults/HOW/WHERE` says. With `?length`, the head declares its
//! length.

use futures_util::{Stream, StreamExt as _, stream};
use wayside::{Body, HeaderMap, HeaderName, HeaderValue, Request, Response, body};

pub(crate) async fn handle(request: Request) -> Response {
    let how = super::parameter(&request);
    let before = pieces_before(request.uri().path().split('/').nth(3).unwrap_or_default());
    let body = match how.as_str() {
        "dropped" => dropped(before),
        "trailers" => Body::from_stream(pieces(before)).with_trailers(too_large()),
        _ => Body::from_stream(pieces(before).chain(stream::once(async move { fail(&how) }))),
    };
    let mut response = Response::new(body);
    if request.uri().query() == Some("length") {
        response.headers_mut().insert("content-length", HeaderValue::from_static("10"));
    }
    response
}

/// The pieces before the failure.
fn pieces_before(place: &str) -> &'static [&'static str] {
    match place {
        "first" => &[],
        "middle" => &["01234"],
        "short" => &["01234", "5678"],
        _ => &["01234", "56789"],
    }
}

fn pieces(pieces: &'static [&'static str]) -> impl Stream<Item = Result<&'static str, &'static str>> {
    stream::iter(pieces).map(|piece| Ok(*piece))
}

fn fail(how: &str) -> Result<&'static str, &'static str> {
    match how {
        "panic" => panic!("the body gave up"),
        "trap" => super::trap::trap(),
        _ => Err("the source ran dry"),
    }
}

/// A body whose sender is dropped after these pieces.
fn dropped(pieces: &'static [&'static str]) -> Body {
    let (mut sender, body) = Body::channel();
    if pieces.is_empty() {
        return body;
    }
    wayside::spawn(async move {
        for piece in pieces {
            sender.send(*piece).await?;
        }
        Ok::<(), body::Error>(())
    })
    .detach();
    body
}

/// Returns 200 trailers of 1000 bytes each, which is more than hosts accept.
fn too_large() -> HeaderMap {
    let field = |number: usize| {
        let name = HeaderName::try_from(format!("x-{number}")).ok()?;
        Some((name, HeaderValue::try_from("v".repeat(1000)).ok()?))
    };
    (0..200).filter_map(field).collect()
}
