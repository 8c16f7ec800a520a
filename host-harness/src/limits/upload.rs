//! How large the body and the trailers of a request may be.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::Limits;
use crate::head;
use crate::message::body::Body;
use crate::message::body::BodyError;
use crate::message::error_code::ErrorCode;

/// The body of a request that is held to its limits.
#[derive(Debug)]
pub(crate) struct LimitedUpload(Option<Arc<OnceLock<TooLarge>>>);

/// What of a body is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLarge {
    Body,
    Trailers,
    /// The framing around the chunks of the body (RFC 9112, section 7.1.1).
    ChunkExtensions,
}

impl LimitedUpload {
    /// Breaks the body of a request off where it goes beyond a limit, or refuses it where it says that it will.
    pub(crate) fn limit(request: Request<Body>, limits: &Limits) -> Result<(Request<Body>, Self), TooLarge> {
        if limits.body_bytes.is_some_and(|limit_bytes| request.body().size_hint().lower() > limit_bytes) {
            return Err(TooLarge::Body);
        }
        if request.body().is_end_stream() {
            return Ok((request, Self(None)));
        }
        let excess = Arc::<OnceLock<TooLarge>>::default();
        let upload = Self(Some(Arc::clone(&excess)));
        let limited = |body| Body::new(Limited { body, limit_bytes: limits.body_bytes, seen_bytes: 0, excess });
        Ok((request.map(limited), upload))
    }

    /// What went beyond its limit so far.
    pub(crate) fn excess(&self) -> Option<TooLarge> {
        self.0.as_ref()?.get().copied()
    }
}

/// A body that ends in an error where it is too large.
struct Limited {
    body: Body,
    limit_bytes: Option<u64>,
    seen_bytes: u64,
    excess: Arc<OnceLock<TooLarge>>,
}

impl Limited {
    /// Lets a frame pass, or makes the error that takes its place.
    fn pass(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        if let Some(data) = frame.data_ref() {
            self.seen_bytes += data.len() as u64;
            if self.limit_bytes.is_some_and(|limit_bytes| self.seen_bytes > limit_bytes) {
                return Err(self.exceeded(TooLarge::Body));
            }
        } else if frame.trailers_ref().is_some_and(head::are_too_large_trailers) {
            return Err(self.exceeded(TooLarge::Trailers));
        }
        Ok(frame)
    }

    fn exceeded(&self, excess: TooLarge) -> BodyError {
        // The first that goes beyond its limit is the one to tell of.
        let _ = self.excess.set(excess);
        Box::new(match excess {
            TooLarge::Body => ErrorCode::HttpRequestBodySize(self.limit_bytes),
            TooLarge::Trailers => ErrorCode::HttpRequestTrailerSectionSize(Some(head::TRAILER_BYTES)),
            TooLarge::ChunkExtensions => ErrorCode::HttpProtocolError,
        })
    }
}

/// What hyper refused to read because of a limit of its own.
fn beyond_parser(error: &BodyError) -> Option<TooLarge> {
    let source = error.downcast_ref::<hyper::Error>().and_then(std::error::Error::source);
    let io = source.and_then(|source| source.downcast_ref::<io::Error>())?;
    // hyper gives malformed chunks the same kind; only its text tells them apart.
    match io.to_string() {
        text if io.kind() != io::ErrorKind::InvalidData || text.starts_with("invalid chunk ") => None,
        text if text.starts_with("chunk trailers ") => Some(TooLarge::Trailers),
        _ => Some(TooLarge::ChunkExtensions),
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => Some(self.pass(frame)),
            Some(Err(error)) => Some(Err(match beyond_parser(&error) {
                Some(excess) => self.exceeded(excess),
                None => error,
            })),
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
