//! How large the body of a request may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Request;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};

use super::Limits;
use crate::Body;
use crate::outbound::ErrorCode;

/// The body of a request that is held to its limit.
#[derive(Debug)]
pub(crate) struct Upload(Option<Arc<AtomicBool>>);

/// A body is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Upload {
    /// Breaks the body of a request off where it goes beyond its limit, or refuses it where it says that it will.
    pub(crate) fn limit(request: Request<Body>, limits: &Limits) -> Result<(Request<Body>, Self), TooLarge> {
        let Some(limit_bytes) = limits.body_bytes else { return Ok((request, Self(None))) };
        if request.body().size_hint().lower() > limit_bytes {
            return Err(TooLarge);
        }
        let exceeded = Arc::new(AtomicBool::new(false));
        let exceeds = Arc::clone(&exceeded);
        let request = request.map(|body| {
            let limited = Limited::new(body, usize::try_from(limit_bytes).unwrap_or(usize::MAX));
            Body::new(limited.map_err(move |error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    exceeds.store(true, Ordering::Release);
                    return ErrorCode::HttpRequestBodySize(Some(limit_bytes)).into();
                }
                error
            }))
        });
        Ok((request, Self(Some(exceeded))))
    }

    /// Whether it went beyond its limit so far.
    pub(crate) fn is_too_large(&self) -> bool {
        self.0.as_ref().is_some_and(|exceeded| exceeded.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::StreamBody;

    fn request(body: impl Into<Body>, limit: u64) -> Result<(Request<Body>, Upload), TooLarge> {
        Upload::limit(Request::new(body.into()), &Limits::default().body_bytes(limit))
    }

    #[tokio::test]
    async fn a_body_may_have_as_many_bytes_as_the_limit_and_no_more() {
        let (allowed, upload) = request("12345", 5).unwrap();
        assert_eq!(allowed.into_body().text().await.unwrap(), "12345");
        assert!(!upload.is_too_large());
        assert_eq!(request("123456", 5).unwrap_err(), TooLarge);
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_breaks_off_behind_its_limit() {
        let frames = ["123", "456"].map(|text| Ok::<_, std::io::Error>(Frame::data(Bytes::from(text))));
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let (allowed, upload) = request(body, 5).unwrap();
        assert!(!upload.is_too_large());
        assert!(allowed.into_body().bytes().await.is_err());
        assert!(upload.is_too_large());
    }
}
