// Tests of the component, as a client sees it.

use wayside_harness::{Error, Harness, http::Request};

#[tokio::test]
async fn a_route_answers() -> Result<(), Error> {
    let app = Harness::build("..").await?;
    let response = app
        .request(Request::get("/hello/ada").body(()).unwrap())
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().text().await.unwrap(), "Hello, ada!\n");
    Ok(())
}

#[tokio::test]
async fn another_path_is_not_found() -> Result<(), Error> {
    let app = Harness::build("..").await?;
    assert_eq!(
        app.request(Request::get("/elsewhere").body(()).unwrap())
            .await
            .status(),
        404
    );
    Ok(())
}
