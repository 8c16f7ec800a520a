//! A request as the inspector of Wayside saw it.
//!
//! It may hold secrets: look through fields and settings before it is shared.

use wayside_harness::http::Request;
use wayside_harness::{Error, Harness};

#[tokio::test]
async fn options_is_answered_with_200() -> Result<(), Error> {
    let app = Harness::build("../host-harness/tests/guests")
        .env("UPSTREAM", "http://up.test/path?q=1")
        .await?;
    let request = Request::builder()
        .method("OPTIONS")
        .uri("*")
        .header("host", "a.test")
        .header("x-mirror-status", "200")
        .body(())
        .unwrap();
    let response = app.request(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-mirror-method"], "OPTIONS");
    assert_eq!(response.headers()["x-mirror-uri"], "http://a.test*");
    assert_eq!(response.headers()["x-mirror-path"], "*");
    assert_eq!(response.headers()["x-mirror-host"], "a.test");
    assert_eq!(response.into_body().text().await.unwrap(), "");
    Ok(())
}
