//! A request as the inspector of Wayside saw it.
//!
//! It may hold secrets: look through fields and settings before it is shared.

use wayside_harness::http::Request;
use wayside_harness::{Error, Harness};

#[tokio::test]
async fn post_mirror_22_x_is_answered_with_200() -> Result<(), Error> {
    let app = Harness::build("../host-harness/tests/guests")
        .env("UPSTREAM", "http://up.test/path?q=1")
        .await?;
    let request = Request::builder()
        .method("POST")
        .uri("http://a.test/mirror/%22/x?q='&%7B")
        .header("authorization", "Bearer \"secret\"")
        .header("x-bytes", b"\xe9\\\"\'".as_slice())
        .header("x-bytes", "two")
        .header("x-bytes", "{}")
        .body(b"{\"\\ \xff\x00\n}".to_vec())
        .unwrap();
    let response = app.request(request).await;
    assert_eq!(response.status(), 200);
    let values: Vec<&[u8]> =
        response.headers().get_all("x-bytes").iter().map(|value| value.as_bytes()).collect();
    let expected: [&[u8]; 3] = [b"\xe9\\\"\'", b"two", b"{}"];
    assert_eq!(values, expected);
    assert_eq!(response.headers()["authorization"], "Bearer \"secret\"");
    assert_eq!(response.headers()["x-mirror-method"], "POST");
    assert_eq!(response.headers()["x-mirror-uri"], "http://a.test/mirror/%22/x?q='&%7B");
    assert_eq!(response.headers()["x-mirror-path"], "/mirror/%22/x");
    assert_eq!(response.headers()["x-mirror-host"], "a.test");
    assert_eq!(response.into_body().bytes().await.unwrap(), b"{\"\\ \xff\x00\n}".as_slice());
    Ok(())
}
