//! An `axum::Router` as the handler. It is built once per instance, and contains nothing specific to WebAssembly.
//!
//! ```text
//! cargo run -- request examples/axum /hello/Ada
//! ```

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use wayside::{Error, http_component};

#[http_component(service)]
fn app() -> Router {
    Router::new()
        .route("/", get(async || "try /hello/NAME\n"))
        .route("/hello/{name}", get(async |Path(name): Path<String>| format!("hello {name}\n")))
        .route("/shout", post(async |text: String| text.to_uppercase()))
        .route("/square/{number}", get(square))
}

/// With the feature `axum`, a handler of axum can return the error of the SDK.
async fn square(Path(number): Path<String>) -> Result<String, Error> {
    let number: u32 = number.parse().map_err(|error| {
        Error::new(StatusCode::BAD_REQUEST, format!("`{number}` is not a number")).with_source(error)
    })?;
    let square = number.checked_mul(number).ok_or("the square is too large")?;
    Ok(format!("{square}\n"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use tower_service::Service as _;

    async fn get(path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = super::app().call(request).await.unwrap();
        let status = response.status();
        let body = wayside::Body::from_http_body(response.into_body());
        (status, body.text().await.unwrap())
    }

    #[wayside::test]
    async fn a_route_answers() {
        assert_eq!(get("/hello/Ada").await, (StatusCode::OK, "hello Ada\n".into()));
        assert_eq!(get("/square/12").await, (StatusCode::OK, "144\n".into()));
    }

    #[wayside::test]
    async fn an_error_is_a_problem_document() {
        let (status, body) = get("/square/x").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body, r#"{"title":"Bad Request","status":400,"detail":"`x` is not a number"}"#);
        assert_eq!(get("/square/99999999").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
