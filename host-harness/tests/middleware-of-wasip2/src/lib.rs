//! Passes everything on, in a world where nothing can be passed on.

use wayside::middleware::Next;
use wayside::{Request, Response, http_middleware};

#[http_middleware]
async fn pass(req: Request, next: Next) -> Response {
    next.run(req).await
}
