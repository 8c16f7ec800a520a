//! Forms with files.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;

use crate::{Body, Error, FromRequest, IncomingRequest, body};

/// A form with files, `multipart/form-data` (RFC 7578), read part by part. Needs the feature `multipart`.
///
/// Nothing is held but the part at hand, so the limit for bodies does not count for the whole; it counts for each part
/// that is read into memory. Another media type is answered with 415, what is not such a form with 400.
///
/// # Examples
///
/// ```
/// use wayside::extract::Multipart;
/// use wayside::{Error, http_component};
///
/// #[http_component]
/// async fn handle(mut form: Multipart) -> Result<String, Error> {
///     let mut answer = String::new();
///     while let Some(mut part) = form.next_part().await? {
///         let mut length = 0;
///         while let Some(piece) = part.next_chunk().await? {
///             length += piece.len();
///         }
///         answer.push_str(&format!("{}: {length} bytes\n", part.name().unwrap_or("no name")));
///     }
///     Ok(answer)
/// }
/// # fn main() {}
/// ```
pub struct Multipart {
    form: multer::Multipart<'static>,
    part_limit: u64,
}

/// One part of a [`Multipart`] form: a field or a file.
pub struct Part {
    field: multer::Field<'static>,
    limit: u64,
}

impl FromRequest for Multipart {
    type Rejection = Error;

    async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
        let headers = request.headers()?;
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let boundary = multer::parse_boundary(content_type).map_err(|_| {
            Error::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the request body must have the content-type multipart/form-data with a boundary",
            )
        })?;
        let part_limit = request.body_limit();
        Ok(Self { form: multer::Multipart::new(Pieces(request.into_body()), boundary), part_limit })
    }
}

impl Multipart {
    /// The next part; what is left unread of the one before is dropped.
    ///
    /// # Errors
    ///
    /// Fails with 400 if the body is no such form, or breaks off.
    pub async fn next_part(&mut self) -> Result<Option<Part>, Error> {
        let field = self.form.next_field().await.map_err(rejection)?;
        Ok(field.map(|field| Part { field, limit: self.part_limit }))
    }
}

impl Part {
    /// The name of the field.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.field.name()
    }

    /// The name that the client gives the file. It is the client's word: no path to write to.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }

    /// The fields of this part.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.field.headers()
    }

    /// The next piece of the content.
    ///
    /// # Errors
    ///
    /// Fails with 400 if the body is no such form, or breaks off.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.field.chunk().await.map_err(rejection)
    }

    /// Reads the content into memory.
    ///
    /// # Errors
    ///
    /// Fails like [`next_chunk`](Part::next_chunk), and with 413 if it is longer than the limit for bodies.
    ///
    /// # Examples
    ///
    /// ```
    /// # use wayside::{Error, extract::Multipart};
    /// /// The first file of a form, with the name that the client gives it.
    /// async fn first_file(mut form: Multipart) -> Result<Option<(String, wayside::Bytes)>, Error> {
    ///     while let Some(part) = form.next_part().await? {
    ///         if let Some(name) = part.file_name().map(str::to_owned) {
    ///             return Ok(Some((name, part.bytes().await?)));
    ///         }
    ///     }
    ///     Ok(None)
    /// }
    /// ```
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next_chunk().await? {
            if (whole.len() + piece.len()) as u64 > self.limit {
                let detail = format!("a part of the form is longer than {} bytes", self.limit);
                return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// Reads the content into memory as UTF-8 text.
    ///
    /// # Errors
    ///
    /// Fails like [`bytes`](Part::bytes), and with 400 if the content is not UTF-8.
    pub async fn text(self) -> Result<String, Error> {
        String::from_utf8(self.bytes().await?.into()).map_err(|error| {
            Error::new(StatusCode::BAD_REQUEST, "a part of the form is not UTF-8").with_source(error.utf8_error())
        })
    }
}

fn rejection(error: multer::Error) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "the request body is no form, or broke off").with_source(error)
}

/// The data of a body.
struct Pieces(Body);

impl Stream for Pieces {
    type Item = Result<Bytes, body::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").finish_non_exhaustive()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("name", &self.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;
    use crate::test::{block_on, incoming};

    fn form(content_type: &str, body: &'static str) -> Result<Multipart, StatusCode> {
        let request = Request::post("/").header("content-type", content_type).body(body).unwrap();
        block_on(Multipart::from_request(incoming(request).with_body_limit(8))).map_err(|error| error.status())
    }

    const TYPE: &str = "multipart/form-data; boundary=cut";

    #[test]
    fn parts_come_in_order_with_their_names() {
        let body = "--cut\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\none\r\n\
                    --cut\r\ncontent-disposition: form-data; name=\"b\"; filename=\"f.txt\"\r\n\r\ntwo\r\n--cut--\r\n";
        block_on(async {
            let mut form = form(TYPE, body).unwrap();
            let first = form.next_part().await.unwrap().unwrap();
            assert_eq!((first.name(), first.file_name()), (Some("a"), None));
            assert_eq!(first.text().await.unwrap(), "one");
            let second = form.next_part().await.unwrap().unwrap();
            assert_eq!((second.name(), second.file_name()), (Some("b"), Some("f.txt")));
            assert_eq!(second.text().await.unwrap(), "two");
            assert!(form.next_part().await.unwrap().is_none());
        });
    }

    #[test]
    fn another_media_type_is_415_and_another_body_400() {
        assert_eq!(form("text/plain", "").unwrap_err(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(form("multipart/form-data", "").unwrap_err(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let error = block_on(async { form(TYPE, "no form at all").unwrap().next_part().await.unwrap_err() });
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_part_over_the_limit_is_413_when_it_is_read_into_memory() {
        let body = "--cut\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nnine byte\r\n--cut--\r\n";
        let error = block_on(async {
            form(TYPE, body).unwrap().next_part().await.unwrap().unwrap().bytes().await.unwrap_err()
        });
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
