//! Bodies that an extractor reads into memory.

use bytes::Bytes;

use crate::{Body, Error};
#[cfg(any(feature = "json", feature = "form", feature = "multipart"))]
use crate::{FromRequest, IncomingRequest};

/// Reads a body of at most `limit` bytes into memory.
pub(super) async fn read_whole(body: Body, limit: u64) -> Result<Bytes, Error> {
    body.limited(limit).bytes().await.map_err(|error| {
        let detail = if error.is_too_large() {
            format!("the request body is longer than {limit} bytes")
        } else {
            "the request body could not be read".to_owned()
        };
        Error::from(error).with_detail(detail)
    })
}

/// Extracts a value from the body. Returns `None` if the request has no `content-type`.
#[cfg(any(feature = "json", feature = "form", feature = "multipart"))]
pub(super) async fn if_typed<T: FromRequest<Rejection = Error>>(request: IncomingRequest) -> Result<Option<T>, Error> {
    if request.headers()?.contains_key(http::header::CONTENT_TYPE) {
        return T::from_request(request).await.map(Some);
    }
    Ok(None)
}
