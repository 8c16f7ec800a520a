//! Middleware that logs a line for each request: method, target, status, and time.
//!
//! ```text
//! cargo run -- serve examples/hello --middleware examples/log
//! ```

use std::time::Instant;

use wayside::middleware::Next;
use wayside::{Request, Response, http_middleware};

#[http_middleware]
async fn log(req: Request, next: Next) -> Response {
    let start = Instant::now();
    let asked = format!("{} {}", req.method(), req.uri().path());
    let response = next.run(req).await;
    eprintln!("{asked}: {} after {} ms", response.status().as_u16(), start.elapsed().as_millis());
    response
}

#[cfg(test)]
mod tests {
    use wayside::middleware::Next;
    use wayside::{Request, StatusCode, test};

    #[test]
    fn the_answer_passes_as_it_is() {
        let next = Next::from_fn(async |req: Request| (StatusCode::CREATED, req.into_body()));
        let request = Request::post("http://example.org/").body("hello".into()).unwrap();
        let text = test::block_on(async {
            let response = super::log(request, next).await;
            assert_eq!(response.status(), StatusCode::CREATED);
            response.into_body().text().await.unwrap()
        });
        assert_eq!(text, "hello");
    }
}
