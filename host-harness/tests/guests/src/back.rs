//! Sends the body of the request back as it is.

use wayside::{Body, Request};

pub(crate) async fn handle(request: Request) -> Body {
    request.into_body()
}
