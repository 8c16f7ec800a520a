// The components as their clients meet them: built as they are deployed, one in front of the other, and asked over HTTP.

use wayside_harness::{Error, Harness, http::Request};

#[tokio::test]
async fn what_is_private_is_refused_and_the_rest_gets_a_field() -> Result<(), Error> {
    let app = Harness::build("../app").middleware("..").await?;
    let request = Request::get("/private/key").body(()).unwrap();
    assert_eq!(app.request(request).await.status(), 403);
    let response = app.request(Request::get("/").body(()).unwrap()).await;
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(
        response.into_body().text().await.unwrap(),
        "Hello from behind!\n"
    );
    Ok(())
}
