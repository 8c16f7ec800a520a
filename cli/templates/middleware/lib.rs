//! Middleware: a function that takes each request, and decides what becomes of it.

use wayside::http::HeaderValue;
use wayside::http::header::X_CONTENT_TYPE_OPTIONS;
use wayside::middleware::Next;
use wayside::{IntoResponse, Request, Response, StatusCode, http_middleware};

#[http_middleware]
async fn handle(req: Request, next: Next) -> Response {
    if req.uri().path().starts_with("/private") {
        return (StatusCode::FORBIDDEN, "this is private\n").into_response();
    }
    let mut response = next.run(req).await;
    let value = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, value);
    response
}

#[cfg(test)]
mod tests {
    use wayside::middleware::Next;
    use wayside::{Request, Response};

    /// A function stands in for the handler behind.
    async fn answer(path: &str) -> Response {
        let next = Next::from_fn(async |_| "from behind");
        let request = Request::get(path).body("".into());
        super::handle(request.unwrap(), next).await
    }

    #[wayside::test]
    async fn what_is_private_is_refused_and_the_rest_gets_a_field() {
        assert_eq!(answer("/private/key").await.status(), 403);
        let response = answer("/").await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.into_body().text().await.unwrap(), "from behind");
    }
}
