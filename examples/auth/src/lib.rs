//! Middleware that rejects requests without the token and passes the others on unchanged.
//!
//! ```text
//! cargo run -- serve examples/hello --middleware examples/auth --env TOKEN=secret
//! curl http://127.0.0.1:3000/ -H 'authorization: Bearer secret'
//! ```

use wayside::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use wayside::middleware::Next;
use wayside::{IntoResponse, Request, Response, StatusCode, http_middleware};

#[http_middleware]
async fn auth(req: Request, next: Next) -> Response {
    let token = std::env::var("TOKEN").unwrap_or_default();
    check(req, next, &token).await
}

async fn check(mut req: Request, next: Next, token: &str) -> Response {
    let given = req.headers_mut().remove(AUTHORIZATION);
    let given = given.as_ref().and_then(|given| given.to_str().ok()?.strip_prefix("Bearer "));
    // If no token is set, every request is rejected.
    if token.is_empty() || given != Some(token) {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], "who are you?\n").into_response();
    }
    next.run(req).await
}

#[cfg(test)]
mod tests {
    use wayside::middleware::Next;
    use wayside::{Request, StatusCode, test};

    fn status(authorization: &str, token: &str) -> StatusCode {
        let next = Next::from_fn(async |req: Request| {
            assert!(!req.headers().contains_key("authorization"), "the token went on");
        });
        let request = Request::get("http://example.org/").header("authorization", authorization);
        test::block_on(super::check(request.body("".into()).unwrap(), next, token)).status()
    }

    #[test]
    fn only_the_token_passes() {
        assert_eq!(status("Bearer secret", "secret"), StatusCode::OK);
        assert_eq!(status("Bearer guess", "secret"), StatusCode::UNAUTHORIZED);
        assert_eq!(status("", "secret"), StatusCode::UNAUTHORIZED);
        assert_eq!(status("Bearer ", ""), StatusCode::UNAUTHORIZED);
    }
}
