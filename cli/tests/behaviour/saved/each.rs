//! A request as the inspector of Wayside saw it.
//!
//! It may hold secrets: look through fields and settings before it is shared.

use wayside_harness::http::{Method, Request};
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Error, ErrorCode, Harness, Outbound};

#[tokio::test]
async fn get_call_each_4_is_answered_with_200() -> Result<(), Error> {
    let mock = Outbound::mock()
        .reply(
            Call::new(Method::GET, "http://up.test/").times(1),
            Reply::ok()
                .body("one"),
        )
        .reply(
            Call::new(Method::GET, "http://up.test/").times(1),
            Reply::fail(ErrorCode::ConnectionRefused),
        )
        .reply(
            Call::new(Method::GET, "http://up.test/").times(1),
            Reply::ok()
                .body("three"),
        )
        .reply(
            Call::new(Method::GET, "http://up.test/").times(1),
            Reply::fail(ErrorCode::DnsError { rcode: Some("no \"name\"".to_owned()), info_code: Some(3) }),
        );
    let app = Harness::build("../host-harness/tests/guests")
        .env("UPSTREAM", "http://up.test/")
        .outbound(&mock)
        .await?;
    let request = Request::builder()
        .method("GET")
        .uri("http://localhost/call-each/4")
        .body(())
        .unwrap();
    let response = app.request(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.into_body().text().await.unwrap(), "one\nGET http://up.test/: the connection was refused\nthree\nGET http://up.test/: the name lookup failed: no \"name\"\n");
    app.idle().await;
    mock.verify();
    Ok(())
}
