//! An error with the status that the path names, and a sentence for the client.

use wayside::{Error, Request, StatusCode};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    Err(Error::new(super::parameter(&request).parse().unwrap_or(StatusCode::OK), "the reason"))
}
