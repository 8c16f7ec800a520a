//! Returns an error with the status in the path, and with a message for the client.

use wayside::{Error, Request, StatusCode};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    Err(Error::new(super::parameter(&request).parse().unwrap_or(StatusCode::OK), "the reason"))
}
