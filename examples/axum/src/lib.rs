//! An `axum::Router` as the handler. It is built once per instance, and contains nothing specific to WebAssembly.
//!
//! ```text
//! cargo run -- request examples/axum /hello/Ada
//! ```

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use wayside::http_component;

#[http_component(service)]
fn app() -> Router {
    Router::new()
        .route("/", get(async || "try /hello/NAME\n"))
        .route("/hello/{name}", get(async |Path(name): Path<String>| format!("hello {name}\n")))
        .route("/shout", post(async |text: String| text.to_uppercase()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower_service::Service as _;

    #[wayside::test]
    async fn a_route_answers() {
        let request = Request::get("/hello/Ada").body(Body::empty()).unwrap();
        let response = super::app().call(request).await.unwrap();
        let body = wayside::Body::from_http_body(response.into_body());
        assert_eq!(body.text().await.unwrap(), "hello Ada\n");
    }
}
