//! Responds with the status in the path and with a body.

use wayside::{IntoResponse, Request, StatusCode};

pub(crate) async fn handle(request: Request) -> impl IntoResponse {
    let status = super::parameter(&request).parse().unwrap_or(StatusCode::OK);
    (status, "a body")
}
