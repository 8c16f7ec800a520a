//! A request as the inspector of Wayside saw it.
//!
//! It may hold secrets: look through fields and settings before it is shared.

use wayside_harness::http::{Method, Request};
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Error, ErrorCode, Harness, Outbound};

#[tokio::test]
async fn post_call_is_answered_with_200() -> Result<(), Error> {
    let mock = Outbound::mock()
        .reply(
            Call::new(Method::POST, "http://up.test/"),
            Reply::fail(ErrorCode::HttpRequestDenied),
        );
    let app = Harness::build("../host-harness/tests/guests")
        .env("UPSTREAM", "http://up.test/")
        .outbound(&mock)
        .await?;
    let request = Request::builder()
        .method("POST")
        .uri("http://localhost/call")
        .body("x")
        .unwrap();
    let response = app.request(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.into_body().text().await.unwrap(), "denied: POST http://up.test/: the host denied the request\n");
    app.idle().await;
    mock.verify();
    Ok(())
}
