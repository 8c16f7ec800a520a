//! Bodies with an observer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Body, BodyError};

/// Observes the frames, the error and the end of a body. All methods but [`end`](Observer::end) have defaults, which
/// change nothing.
pub(crate) trait Observer: Send + Unpin + 'static {
    /// Called with each frame before the reader gets it.
    ///
    /// # Errors
    ///
    /// The error goes to the reader in place of the frame.
    fn frame(&mut self, _frame: &Frame<Bytes>, _passed: Passed) -> Result<(), BodyError> {
        Ok(())
    }

    /// Called with the error of the body. Returns the error for the reader.
    fn error(&mut self, error: BodyError) -> BodyError {
        error
    }

    /// Called once, when the body has ended or is dropped, with the number of its bytes that were read.
    fn end(self, bytes: u64, end: End<'_>);
}

/// The progress of a body after a frame.
#[derive(Clone, Copy)]
pub(crate) struct Passed {
    /// The number of bytes up to and including this frame.
    pub(crate) bytes: u64,
    /// Whether this frame is known to be the last.
    pub(crate) is_last: bool,
    /// Whether the declared length has been reached. Over HTTP/2, trailers may follow.
    pub(crate) is_complete: bool,
}

/// The end of a body.
pub(crate) enum End<'a> {
    /// The reader got the whole body. A reader that knows the length may stop at the last byte.
    Whole,
    Broken(&'a BodyError),
    /// The reader dropped the body before its end.
    GivenUp,
}

/// A body with an observer.
struct Observed<O: Observer> {
    body: Body,
    bytes: u64,
    /// The length that the head declares.
    declared: Option<u64>,
    /// The observer; `None` once it has been told of the end.
    observer: Option<O>,
}

/// Adds an observer to a body whose head declares the given length.
pub(crate) fn observe(body: Body, declared: Option<u64>, observer: impl Observer) -> Body {
    Body::new(Observed { body, bytes: 0, declared, observer: Some(observer) })
}

impl<O: Observer> Observed<O> {
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let Some(observer) = &mut self.observer else { return Ok(frame) };
        self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        let passed = Passed {
            bytes: self.bytes,
            is_last: frame.is_trailers() || self.body.is_end_stream(),
            is_complete: self.declared == Some(self.bytes),
        };
        if let Err(error) = observer.frame(&frame, passed) {
            self.end(End::Broken(&error));
            return Err(error);
        }
        if frame.is_trailers() {
            // Trailers are the last frame, so some readers do not poll for the end after them.
            self.end(End::Whole);
        }
        Ok(frame)
    }

    fn error(&mut self, error: BodyError) -> BodyError {
        let Some(observer) = &mut self.observer else { return error };
        let error = observer.error(error);
        self.end(End::Broken(&error));
        error
    }

    fn end(&mut self, end: End<'_>) {
        if let Some(observer) = self.observer.take() {
            observer.end(self.bytes, end);
        }
    }
}

impl<O: Observer> Drop for Observed<O> {
    fn drop(&mut self) {
        let is_whole =
            self.body.is_end_stream() || self.body.size_hint().exact() == Some(0) || self.declared == Some(self.bytes);
        self.end(if is_whole { End::Whole } else { End::GivenUp });
    }
}

impl<O: Observer> HttpBody for Observed<O> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        Poll::Ready(match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => Some(this.frame(frame)),
            Some(Err(error)) => Some(Err(this.error(error))),
            None => {
                this.end(End::Whole);
                None
            }
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
    use std::sync::{Arc, Mutex};

    use http::HeaderMap;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// Records each event, and fails a frame with the data `bad`.
    #[derive(Clone, Default)]
    struct Record(Arc<Mutex<Vec<String>>>);

    impl Record {
        fn push(&self, event: String) {
            self.0.lock().unwrap().push(event);
        }

        fn taken(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Observer for Record {
        fn frame(&mut self, frame: &Frame<Bytes>, passed: Passed) -> Result<(), BodyError> {
            let last = if passed.is_last { ", last" } else { "" };
            let complete = if passed.is_complete { ", complete" } else { "" };
            self.push(format!("{} bytes{last}{complete}", passed.bytes));
            if frame.data_ref().is_some_and(|data| data == "bad") { Err("refused".into()) } else { Ok(()) }
        }

        fn error(&mut self, error: BodyError) -> BodyError {
            format!("seen: {error}").into()
        }

        fn end(self, bytes: u64, end: End<'_>) {
            self.push(match end {
                End::Whole => format!("whole after {bytes}"),
                End::Broken(error) => format!("broken after {bytes}: {error}"),
                End::GivenUp => format!("given up after {bytes}"),
            });
        }
    }

    fn streamed(frames: Vec<Result<&'static str, &'static str>>) -> Body {
        let frames =
            frames.into_iter().map(|frame| frame.map(|data| Frame::data(Bytes::from(data))).map_err(BodyError::from));
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    /// Reads so many frames of an observed body, and returns what its observer saw.
    async fn seen(body: Body, declared: Option<u64>, frames: usize) -> Vec<String> {
        let record = Record::default();
        let mut body = observe(body, declared, record.clone());
        for _ in 0..frames {
            body.frame().await.transpose().ok();
        }
        drop(body);
        record.taken()
    }

    #[tokio::test]
    async fn a_body_that_is_read_to_its_end_is_whole() {
        assert_eq!(seen(streamed(vec![Ok("ab"), Ok("c")]), None, 3).await, ["2 bytes", "3 bytes", "whole after 3"]);
    }

    #[tokio::test]
    async fn a_body_without_a_byte_is_whole_also_unread() {
        assert_eq!(seen(Body::empty(), None, 0).await, ["whole after 0"]);
    }

    #[tokio::test]
    async fn a_reader_may_stop_at_the_declared_length() {
        assert_eq!(seen(streamed(vec![Ok("ab")]), Some(2), 1).await, ["2 bytes, complete", "whole after 2"]);
    }

    #[tokio::test]
    async fn a_body_dropped_before_its_end_is_given_up() {
        assert_eq!(seen(streamed(vec![Ok("ab"), Ok("c")]), None, 0).await, ["given up after 0"]);
        assert_eq!(seen(streamed(vec![Ok("ab"), Ok("c")]), None, 1).await, ["2 bytes", "given up after 2"]);
        assert_eq!(seen(streamed(vec![Ok("ab")]), None, 1).await, ["2 bytes", "given up after 2"]);
    }

    #[tokio::test]
    async fn trailers_end_a_body() {
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "7".parse().unwrap())]);
        let body = Body::from("ab").with_trailers(trailers);
        assert_eq!(seen(body, None, 2).await, ["2 bytes", "2 bytes, last", "whole after 2"]);
    }

    #[tokio::test]
    async fn the_observer_replaces_an_error_at_any_place() {
        assert_eq!(seen(streamed(vec![Err("cut")]), None, 1).await, ["broken after 0: seen: cut"]);
        let body = streamed(vec![Ok("ab"), Err("cut")]);
        assert_eq!(seen(body, Some(5), 2).await, ["2 bytes", "broken after 2: seen: cut"]);
    }

    #[tokio::test]
    async fn the_observer_may_refuse_a_frame() {
        let body = streamed(vec![Ok("ab"), Ok("bad"), Ok("c")]);
        assert_eq!(seen(body, None, 3).await, ["2 bytes", "5 bytes", "broken after 5: refused"]);
    }
}
