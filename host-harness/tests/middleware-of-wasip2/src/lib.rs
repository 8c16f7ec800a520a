//! Middleware that is built for WASI 0.2 by default. The compiler must refuse that, because WASI 0.2 has no import for
//! the next handler.

use wayside::middleware::Next;
use wayside::{Request, Response, http_middleware};

#[http_middleware]
async fn pass(req: Request, next: Next) -> Response {
    next.run(req).await
}
