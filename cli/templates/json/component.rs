// Tests of the component, as a client sees it.

use wayside_harness::{Error, Harness, http::Request};

#[tokio::test]
async fn numbers_are_summed() -> Result<(), Error> {
    let app = Harness::build("..").await?;
    let request = Request::post("/")
        .header("content-type", "application/json")
        .body(r#"{"numbers": [1, 2, 3]}"#);
    let response = app.request(request.unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        response.into_body().text().await.unwrap(),
        r#"{"count":3,"sum":6}"#
    );
    Ok(())
}

#[tokio::test]
async fn json_of_another_shape_is_refused() -> Result<(), Error> {
    let app = Harness::build("..").await?;
    let request = Request::post("/")
        .header("content-type", "application/json")
        .body(r#"{"numbers": "none"}"#);
    assert_eq!(app.request(request.unwrap()).await.status(), 422);
    Ok(())
}
