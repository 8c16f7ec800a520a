//! A request as the inspector of Wayside saw it.
//!
//! It may hold secrets: look through fields and settings before it is shared.

use wayside_harness::http::{Method, Request};
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Error, Harness, Outbound};

#[tokio::test]
async fn get_early_end_3_is_answered_with_200() -> Result<(), Error> {
    let mock = Outbound::mock()
        .reply(
            Call::new(Method::POST, "http://up.test/"),
            Reply::ok().status(202)
                .header("content-length", "9")
                .stall_after(0),
        );
    let app = Harness::build("../host-harness/tests/guests")
        .env("UPSTREAM", "http://up.test/")
        .outbound(&mock)
        .await?;
    let request = Request::builder()
        .method("GET")
        .uri("http://localhost/early-end/3")
        .body(())
        .unwrap();
    let response = app.request(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.into_body().text().await.unwrap(), "202 Accepted\n");
    app.idle().await;
    mock.verify();
    Ok(())
}
