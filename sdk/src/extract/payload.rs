//! Bodies that an extractor reads into memory.

use bytes::Bytes;
#[cfg(any(feature = "json", feature = "form"))]
use http::HeaderMap;

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

/// Returns the media type in `content-type`, in lower case and without parameters. Returns an empty string if there is
/// no `content-type`.
#[cfg(any(feature = "json", feature = "form"))]
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Extracts a value from the body. Returns `None` if the request has no `content-type`.
#[cfg(any(feature = "json", feature = "form", feature = "multipart"))]
pub(super) async fn if_typed<T: FromRequest<Rejection = Error>>(request: IncomingRequest) -> Result<Option<T>, Error> {
    if request.headers()?.contains_key(http::header::CONTENT_TYPE) {
        return T::from_request(request).await.map(Some);
    }
    Ok(None)
}
