//! Echoes the request body.

use wayside::{Body, Request};

pub(crate) async fn handle(request: Request) -> Body {
    request.into_body()
}
