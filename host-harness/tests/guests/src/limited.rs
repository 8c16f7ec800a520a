//! Reads a body of at most ten bytes.

use wayside::{Bytes, Error, Request};

pub(crate) async fn handle(request: Request) -> Result<Bytes, Error> {
    Ok(request.into_body().limited(10).bytes().await?)
}
