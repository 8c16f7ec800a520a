//! A request as the inspector of Wayside saw it.
//!
//! It may hold secrets: look through fields and settings before it is shared.

use wayside_harness::http::{Method, Request};
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Error, Harness, Outbound};

#[tokio::test]
async fn post_call_is_answered_with_200() -> Result<(), Error> {
    let mock = Outbound::mock()
        .reply(
            Call::new(Method::POST, "http://up.test/path?q=1"),
            Reply::ok().status(201)
                .header("x-up", "1")
                .body("from upstream"),
        );
    let app = Harness::build("../host-harness/tests/guests")
        .env("UPSTREAM", "http://up.test/path?q=1")
        .outbound(&mock)
        .await?;
    let request = Request::builder()
        .method("POST")
        .uri("http://localhost/call")
        .body("text \"{}\" \u{301}\u{202e}\n")
        .unwrap();
    let response = app.request(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.into_body().text().await.unwrap(), "status 201\n13 bytes\n");
    app.idle().await;
    mock.verify();
    Ok(())
}
