// Tests of the component, as a client sees it.

use wayside_harness::{Harness, http::Request};

#[tokio::test]
async fn the_path_is_greeted() -> Result<(), wayside_harness::Error> {
    let app = Harness::build("..").await?;
    let response = app.request(Request::get("/ada").body(()).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().text().await.unwrap(), "Hello, ada!\n");
    Ok(())
}
