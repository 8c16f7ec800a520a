//! Limits the size of request bodies and trailers.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Request;
use http_body::{Body as _, Frame};

use super::Limits;
use crate::head;
use crate::message::body::{Body, BodyError, End, Observer, Passed, observe};
use crate::message::error_code::ErrorCode;

/// Tells whether the body of one request has exceeded a limit.
#[derive(Debug)]
pub(crate) struct LimitedUpload(Option<Arc<OnceLock<TooLarge>>>);

/// The part of a request that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLarge {
    Body,
    Trailers,
    /// The parameters that HTTP/1.1 allows beside the size of each chunk (RFC 9112, section 7.1.1).
    ChunkExtensions,
}

impl LimitedUpload {
    /// Wraps the body of a request so that it fails at its limits. Rejects the request at once if the declared length
    /// of the body exceeds the limit.
    pub(crate) fn limit(request: Request<Body>, limits: &Limits) -> Result<(Request<Body>, Self), TooLarge> {
        if limits.body_bytes.is_some_and(|limit_bytes| request.body().size_hint().lower() > limit_bytes) {
            return Err(TooLarge::Body);
        }
        if request.body().is_end_stream() {
            return Ok((request, Self(None)));
        }
        let excess = Arc::<OnceLock<TooLarge>>::default();
        let upload = Self(Some(Arc::clone(&excess)));
        let limited = |body| observe(body, None, Limited { limit_bytes: limits.body_bytes, excess });
        Ok((request.map(limited), upload))
    }

    /// Returns the part that exceeded its limit, if one has so far.
    pub(crate) fn excess(&self) -> Option<TooLarge> {
        self.0.as_ref()?.get().copied()
    }
}

/// Fails a body that exceeds its limits.
struct Limited {
    limit_bytes: Option<u64>,
    excess: Arc<OnceLock<TooLarge>>,
}

impl Limited {
    fn exceeded(&self, excess: TooLarge) -> BodyError {
        // Keeps the earlier value if a limit has been exceeded before.
        let _ = self.excess.set(excess);
        Box::new(match excess {
            TooLarge::Body => ErrorCode::HttpRequestBodySize(self.limit_bytes),
            TooLarge::Trailers => ErrorCode::HttpRequestTrailerSectionSize(Some(head::TRAILER_BYTES)),
            TooLarge::ChunkExtensions => ErrorCode::HttpProtocolError,
        })
    }
}

impl Observer for Limited {
    fn frame(&mut self, frame: &Frame<Bytes>, passed: Passed) -> Result<(), BodyError> {
        if self.limit_bytes.is_some_and(|limit_bytes| passed.bytes > limit_bytes) {
            return Err(self.exceeded(TooLarge::Body));
        }
        if frame.trailers_ref().is_some_and(head::are_too_large_trailers) {
            return Err(self.exceeded(TooLarge::Trailers));
        }
        Ok(())
    }

    fn error(&mut self, error: BodyError) -> BodyError {
        beyond_parser(&error).map_or(error, |excess| self.exceeded(excess))
    }

    fn end(self, _: u64, _: End<'_>) {}
}

/// Returns the part that exceeded a limit of hyper's parser, if this caused the error.
fn beyond_parser(error: &BodyError) -> Option<TooLarge> {
    let source = error.downcast_ref::<hyper::Error>().and_then(std::error::Error::source);
    let io = source.and_then(|source| source.downcast_ref::<io::Error>())?;
    // hyper reports malformed chunks with the same error kind. Only the messages differ.
    match io.to_string() {
        text if io.kind() != io::ErrorKind::InvalidData || text.starts_with("invalid chunk ") => None,
        text if text.starts_with("chunk trailers ") => Some(TooLarge::Trailers),
        _ => Some(TooLarge::ChunkExtensions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;

    fn request(body: impl Into<Body>, limit: u64) -> Result<(Request<Body>, LimitedUpload), TooLarge> {
        LimitedUpload::limit(Request::new(body.into()), &Limits::default().body_bytes(limit))
    }

    #[tokio::test]
    async fn a_body_may_have_as_many_bytes_as_the_limit_and_no_more() {
        let (allowed, upload) = request("12345", 5).unwrap();
        assert_eq!(allowed.into_body().text().await.unwrap(), "12345");
        assert_eq!(upload.excess(), None);
        assert_eq!(request("123456", 5).unwrap_err(), TooLarge::Body);
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_breaks_off_behind_its_limit() {
        let frames = ["123", "456"].map(|text| Ok::<_, std::io::Error>(Frame::data(Bytes::from(text))));
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let (allowed, upload) = request(body, 5).unwrap();
        assert_eq!(upload.excess(), None);
        assert!(allowed.into_body().bytes().await.is_err());
        assert_eq!(upload.excess(), Some(TooLarge::Body));
    }
    #[tokio::test]
    async fn a_body_breaks_off_before_trailers_that_are_too_large() {
        let field = |number| (http::HeaderName::try_from(format!("x-{number}")).unwrap(), "v".parse().unwrap());
        for (count, excess) in [(100, None), (101, Some(TooLarge::Trailers))] {
            let body = Body::from("12345").with_trailers((0..count).map(field).collect());
            let (allowed, upload) = request(body, 5).unwrap();
            assert_eq!(allowed.into_body().bytes_and_trailers().await.is_err(), excess.is_some());
            assert_eq!(upload.excess(), excess);
        }
    }
}
