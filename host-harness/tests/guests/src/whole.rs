//! Reads the whole body and returns it.

use wayside::{Bytes, Error, Request};

pub(crate) async fn handle(request: Request) -> Result<Bytes, Error> {
    Ok(request.into_body().bytes().await?)
}
