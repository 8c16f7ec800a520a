//! Keeping the beginning of bodies, for those who want to look at them.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::Body;
use crate::body::BodyError;

/// The beginning of a body, as far as it has passed by now; see
/// [`HarnessBuilder::capture_bodies`](crate::HarnessBuilder::capture_bodies). Copies look at the same body.
#[derive(Clone, Default)]
pub struct Capture(Option<Arc<Mutex<Kept>>>);

#[derive(Debug, Default)]
struct Kept {
    limit_bytes: usize,
    bytes: Vec<u8>,
    total_bytes: u64,
    trailers: Option<HeaderMap>,
}

impl Capture {
    /// Keeps so many bytes of a body; with 0, nothing is looked at.
    pub(super) fn up_to(limit_bytes: usize) -> Self {
        let kept = || Arc::new(Mutex::new(Kept { limit_bytes, ..Kept::default() }));
        Self((limit_bytes > 0).then(kept))
    }

    /// Looks at a body as it is read.
    pub(crate) fn watch(&self, body: Body) -> Body {
        match &self.0 {
            Some(_) => Body::new(Watched { body, capture: self.clone() }),
            None => body,
        }
    }

    /// The bytes that were kept: the first of the body, up to the limit.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.lock().map_or_else(Bytes::new, |kept| Bytes::copy_from_slice(&kept.bytes))
    }

    /// How many bytes were kept.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.lock().map_or(0, |kept| kept.bytes.len())
    }

    /// How many bytes have passed.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.lock().map_or(0, |kept| kept.total_bytes)
    }

    /// The trailers, once they have passed.
    #[must_use]
    pub fn trailers(&self) -> Option<HeaderMap> {
        self.lock()?.trailers.clone()
    }

    /// Whether more has passed than was kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.lock().is_some_and(|kept| kept.total_bytes > kept.bytes.len() as u64)
    }

    fn lock(&self) -> Option<MutexGuard<'_, Kept>> {
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("total_bytes", &self.total_bytes()).finish_non_exhaustive()
    }
}

struct Watched {
    body: Body,
    capture: Capture,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(Ok(frame)), Some(mut kept)) = (&frame, self.capture.lock()) {
            if let Some(data) = frame.data_ref() {
                let room = kept.limit_bytes.saturating_sub(kept.bytes.len()).min(data.len());
                kept.bytes.extend_from_slice(&data[..room]);
                kept.total_bytes += data.len() as u64;
            } else {
                kept.trailers = frame.trailers_ref().cloned();
            }
        }
        Poll::Ready(frame)
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

    #[tokio::test]
    async fn the_beginning_is_kept_and_all_is_counted() {
        let capture = Capture::up_to(4);
        let body = capture.watch(Body::from("abcdefgh"));
        assert_eq!(capture.total_bytes(), 0);
        assert_eq!(body.bytes().await.unwrap(), "abcdefgh");
        assert_eq!((capture.bytes(), capture.total_bytes(), capture.is_cut()), ("abcd".into(), 8, true));
    }

    #[tokio::test]
    async fn nothing_is_kept_where_nobody_asked() {
        let capture = Capture::up_to(0);
        assert_eq!(capture.watch(Body::from("abc")).bytes().await.unwrap(), "abc");
        assert_eq!((capture.bytes().len(), capture.total_bytes(), capture.is_cut()), (0, 0, false));
    }
}
