//! Captures the beginning of bodies.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body::{Body as _, Frame};

use crate::message::body::{Body, BodyError, End, Observer, Passed, observe};
use crate::message::framing::content_length;

/// The captured beginning of a body, as far as it has been read; see
/// [`HarnessBuilder::capture_bodies`](crate::HarnessBuilder::capture_bodies). Clones share the capture.
#[derive(Clone, Default)]
pub struct Capture {
    kept: Option<Arc<Mutex<CapturedBytes>>>,
    /// Whether the body is known to be empty.
    is_empty: bool,
}

#[derive(Debug, Default)]
struct CapturedBytes {
    limit_bytes: usize,
    bytes: Vec<u8>,
    total_bytes: u64,
    trailers: Option<HeaderMap>,
    /// The declared length. Once a reader has received that many bytes, it may stop without polling for the end.
    declared_bytes: Option<u64>,
    is_whole: bool,
}

impl Capture {
    /// Creates a capture of the first `limit_bytes` bytes of a body. With 0, nothing is captured.
    pub(super) fn up_to(limit_bytes: usize) -> Self {
        Self::of(CapturedBytes { limit_bytes, ..CapturedBytes::default() })
    }

    /// Creates a capture of the first `limit_bytes` bytes of a request body.
    pub(super) fn of_request(request: &Request<Body>, limit_bytes: usize) -> Self {
        if request.body().is_end_stream() {
            return Self { kept: None, is_empty: true };
        }
        if limit_bytes == 0 {
            return Self::default();
        }
        let has_trailers = request.headers().contains_key(header::TRAILER);
        let declared_bytes = content_length(request.headers()).filter(|_| !has_trailers);
        Self::of(CapturedBytes { limit_bytes, declared_bytes, ..CapturedBytes::default() })
    }

    fn of(kept: CapturedBytes) -> Self {
        Self { kept: (kept.limit_bytes > 0).then(|| Arc::new(Mutex::new(kept))), is_empty: false }
    }

    /// Captures a body while it is read.
    pub(crate) fn watch(&self, body: Body) -> Body {
        match self.lock() {
            Some(mut kept) => {
                kept.is_whole = body.is_end_stream();
                observe(body, kept.declared_bytes, self.clone())
            }
            None => body,
        }
    }

    /// Whether the body is captured, or known to be empty.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.is_some() || self.is_empty
    }

    /// Returns the captured bytes: the first of the body, up to the limit.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.lock().map_or_else(Bytes::new, |kept| Bytes::copy_from_slice(&kept.bytes))
    }

    /// Returns the number of captured bytes.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.lock().map_or(0, |kept| kept.bytes.len())
    }

    /// Returns the number of bytes that were read.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.lock().map_or(0, |kept| kept.total_bytes)
    }

    /// Returns the trailers, once they have been read.
    #[must_use]
    pub fn trailers(&self) -> Option<HeaderMap> {
        self.lock()?.trailers.clone()
    }

    /// Whether more bytes were read than captured.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.lock().is_some_and(|kept| kept.total_bytes > kept.bytes.len() as u64)
    }

    /// Whether the whole body was read, including its trailers. Without capture, only empty bodies are known to be
    /// complete.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_empty || self.lock().is_some_and(|kept| kept.is_whole)
    }

    fn lock(&self) -> Option<MutexGuard<'_, CapturedBytes>> {
        Some(self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CapturedBytes {
    fn pass(&mut self, frame: &Frame<Bytes>, is_last: bool) {
        if let Some(data) = frame.data_ref() {
            let room = self.limit_bytes.saturating_sub(self.bytes.len()).min(data.len());
            self.bytes.extend_from_slice(&data[..room]);
            self.total_bytes += data.len() as u64;
        } else {
            self.trailers = frame.trailers_ref().cloned();
        }
        self.is_whole |= is_last;
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("total_bytes", &self.total_bytes()).finish_non_exhaustive()
    }
}

impl Observer for Capture {
    fn frame(&mut self, frame: &Frame<Bytes>, passed: Passed) -> Result<(), BodyError> {
        if let Some(mut kept) = self.lock() {
            kept.pass(frame, passed.is_last || passed.is_complete);
        }
        Ok(())
    }

    fn end(self, _: u64, end: End<'_>) {
        if let (Some(mut kept), End::Whole) = (self.lock(), end) {
            kept.is_whole = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, StreamBody};

    #[tokio::test]
    async fn the_beginning_is_kept_and_all_is_counted() {
        let capture = Capture::up_to(4);
        let body = capture.watch(Body::from("abcdefgh"));
        assert_eq!(capture.total_bytes(), 0);
        assert_eq!(body.bytes().await.unwrap(), "abcdefgh");
        assert_eq!((capture.bytes(), capture.total_bytes(), capture.is_cut()), ("abcd".into(), 8, true));
    }

    fn in_two_frames() -> Body {
        let frames = ["ab", "cd"].map(|data| Ok::<_, BodyError>(Frame::data(Bytes::from(data))));
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    async fn next_frame(body: &mut Body) {
        body.frame().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_body_is_whole_when_its_end_has_passed() {
        let capture = Capture::up_to(10);
        let mut body = capture.watch(in_two_frames());
        next_frame(&mut body).await;
        next_frame(&mut body).await;
        assert!(!capture.is_whole(), "there may be more");
        assert!(body.frame().await.is_none());
        assert!(capture.is_whole());
    }

    #[tokio::test]
    async fn trailers_end_a_body() {
        let capture = Capture::up_to(10);
        let mut body = capture.watch(Body::from("a").with_trailers(HeaderMap::new()));
        next_frame(&mut body).await;
        assert!(!capture.is_whole());
        next_frame(&mut body).await;
        assert!(capture.is_whole());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_never_whole() {
        let capture = Capture::up_to(10);
        let frames = [Ok(Frame::data(Bytes::from("a"))), Err("cut")];
        let body = capture.watch(Body::new(StreamBody::new(futures_util::stream::iter(frames))));
        assert!(body.bytes().await.is_err());
        assert!(!capture.is_whole());
    }

    #[tokio::test]
    async fn the_declared_bytes_are_all_there_is_unless_trailers_are_announced() {
        for (trailer, is_whole) in [(None, true), (Some("x-sum"), false)] {
            let mut request = Request::post("/").header("content-length", "4").body(in_two_frames()).unwrap();
            request.headers_mut().extend(trailer.map(|name| (header::TRAILER, name.parse().unwrap())));
            let capture = Capture::of_request(&request, 1);
            let mut body = capture.watch(request.into_body());
            next_frame(&mut body).await;
            assert!(!capture.is_whole());
            next_frame(&mut body).await;
            assert_eq!(capture.is_whole(), is_whole);
        }
    }

    #[test]
    fn a_request_without_a_body_is_whole_also_where_nobody_looks() {
        for limit in [0, 10] {
            let capture = Capture::of_request(&Request::new(Body::empty()), limit);
            assert!(capture.is_whole() && capture.is_kept());
        }
        let capture = Capture::of_request(&Request::new(Body::from("a")), 0);
        assert!(!capture.is_whole() && !capture.is_kept());
    }

    #[tokio::test]
    async fn nothing_is_kept_where_nobody_asked() {
        let capture = Capture::up_to(0);
        assert_eq!(capture.watch(Body::from("abc")).bytes().await.unwrap(), "abc");
        assert_eq!((capture.bytes().len(), capture.total_bytes(), capture.is_cut()), (0, 0, false));
    }
}
