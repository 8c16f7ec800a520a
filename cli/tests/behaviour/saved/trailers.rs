//! A request as the inspector of Wayside saw it.
//!
//! It may hold secrets: look through fields and settings before it is shared.

use wayside_harness::http::{HeaderMap, HeaderValue, Request};
use wayside_harness::{Body, Error, Harness};

#[tokio::test]
async fn post_trailers_is_answered_with_200() -> Result<(), Error> {
    let app = Harness::build("../host-harness/tests/guests")
        .env("UPSTREAM", "http://up.test/")
        .await?;
    let request = Request::builder()
        .method("POST")
        .uri("http://localhost/trailers")
        .body(Body::from(()).with_trailers(HeaderMap::from_iter([("x-digest".parse().unwrap(), "abc".parse().unwrap()), ("x-digest".parse().unwrap(), HeaderValue::from_bytes(b"\xff\"").unwrap())])))
        .unwrap();
    let response = app.request(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["trailer"], "x-digest");
    let (body, trailers) = response.into_body().bytes_and_trailers().await.unwrap();
    assert_eq!(body, "data");
    let trailers = trailers.unwrap();
    let values: Vec<&[u8]> =
        trailers.get_all("x-digest").iter().map(|value| value.as_bytes()).collect();
    let expected: [&[u8]; 2] = [b"abc", b"\xff\""];
    assert_eq!(values, expected);
    Ok(())
}
