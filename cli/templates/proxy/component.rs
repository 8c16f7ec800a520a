// Tests of the component, as a client sees it. A function answers in place of the
// upstream server, so nothing here needs the network.

use wayside_harness::http::{Request, Response};
use wayside_harness::{Error, Harness, Outbound};

#[tokio::test]
async fn the_answer_of_the_upstream_comes_back() -> Result<(), Error> {
    let upstream = Outbound::from_fn(async |request| {
        let asked = request.uri().to_string();
        Ok(Response::builder().status(201).body(asked.into()).unwrap())
    });
    let app = Harness::build("..")
        .env("UPSTREAM", "http://upstream.example")
        .outbound(upstream)
        .await?;
    let response = app
        .request(Request::post("/path?q=1").body("hello").unwrap())
        .await;
    assert_eq!(response.status(), 201);
    assert_eq!(
        response.into_body().text().await.unwrap(),
        "http://upstream.example/path?q=1"
    );
    assert_eq!(app.calls().len(), 1);
    Ok(())
}
