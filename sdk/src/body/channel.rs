//! A body that is written from elsewhere.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};

use super::Error;

/// Writes a body made by [`Body::channel`](super::Body::channel).
///
/// Such a body ends well only with [`finish`](Sender::finish) or
/// [`finish_with_trailers`](Sender::finish_with_trailers). Dropping the sender breaks the message off, so that the peer
/// never takes a part for the whole.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// use wayside::Body;
///
/// let (mut sender, body) = Body::channel();
/// wayside::spawn(async move {
///     // The client sees this piece, and that there was to be more.
///     let _ = sender.send("a part").await;
/// })
/// .detach();
/// assert!(body.text().await.unwrap_err().is_incomplete());
/// # Ok::<(), wayside::body::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Mutex<Shared>>,
}

pub(super) struct Receiver {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    chunk: Option<Bytes>,
    end: Option<End>,
    receiver_gone: bool,
    sender: Option<Waker>,
    receiver: Option<Waker>,
}

#[derive(Debug)]
enum End {
    Finished(Option<HeaderMap>),
    Aborted,
    Done,
}

pub(super) fn channel() -> (Sender, Receiver) {
    let shared = Arc::default();
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

impl Sender {
    /// Hands over one piece, once the piece before has been taken. An empty piece is dropped.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::is_closed`] when nobody reads the body any more, as when the client went away.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::body::{Error, Sender};
    ///
    /// /// Sends until nobody reads any more, which is no failure.
    /// async fn count(mut sender: Sender) -> Result<(), Error> {
    ///     for number in 0.. {
    ///         match sender.send(format!("{number}\n")).await {
    ///             Err(error) if error.is_closed() => break,
    ///             sent => sent?,
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn send(&mut self, chunk: impl Into<Bytes>) -> Result<(), Error> {
        let mut chunk = Some(chunk.into());
        poll_fn(|cx| {
            let mut shared = lock(&self.shared);
            if shared.receiver_gone {
                return Poll::Ready(Err(Error::closed()));
            }
            if shared.chunk.is_some() {
                shared.sender = Some(cx.waker().clone());
                return Poll::Pending;
            }
            shared.chunk = chunk.take().filter(|chunk| !chunk.is_empty());
            wake(&mut shared.receiver);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Ends the body.
    pub fn finish(self) {
        self.end(End::Finished(None));
    }

    /// Ends the body with trailers.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::{Body, HeaderMap, HeaderValue};
    ///
    /// let (sender, mut body) = Body::channel();
    /// let mut trailers = HeaderMap::new();
    /// trailers.insert("x-checksum", HeaderValue::from_static("0"));
    /// sender.finish_with_trailers(trailers);
    /// assert_eq!(body.trailers().await?.unwrap()["x-checksum"], "0");
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    pub fn finish_with_trailers(self, trailers: HeaderMap) {
        self.end(End::Finished(Some(trailers)));
    }

    fn end(&self, end: End) {
        let mut shared = lock(&self.shared);
        if shared.end.is_none() {
            shared.end = Some(end);
            wake(&mut shared.receiver);
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.end(End::Aborted);
    }
}

impl HttpBody for Receiver {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut shared = lock(&self.shared);
        if let Some(chunk) = shared.chunk.take() {
            wake(&mut shared.sender);
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if shared.end.is_none() {
            shared.receiver = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(match shared.end.replace(End::Done) {
            Some(End::Finished(Some(trailers))) => Some(Ok(Frame::trailers(trailers))),
            Some(End::Aborted) => Some(Err(Error::aborted())),
            Some(End::Finished(None) | End::Done) | None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        shared.chunk.is_none() && matches!(shared.end, Some(End::Finished(None) | End::Done))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.receiver_gone = true;
        shared.chunk = None;
        wake(&mut shared.sender);
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // No code of others runs under the lock, so a poisoned one still guards a whole state.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Body;
    use crate::test::block_on;

    #[test]
    fn a_dropped_sender_breaks_the_body_off() {
        let (sender, body) = Body::channel();
        drop(sender);
        let error = block_on(body.bytes()).unwrap_err();
        assert!(error.is_incomplete(), "{error}");
    }

    #[test]
    fn a_dropped_body_tells_the_sender() {
        let (mut sender, body) = Body::channel();
        drop(body);
        let error = block_on(sender.send("late")).unwrap_err();
        assert!(error.is_closed(), "{error}");
    }

    #[test]
    fn the_sender_waits_until_a_piece_is_taken() {
        let (mut sender, mut body) = Body::channel();
        block_on(async {
            sender.send("one").await.unwrap();
            let mut second = std::pin::pin!(sender.send("two"));
            let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx).is_pending())).await;
            assert!(waits);
            assert_eq!(body.next_chunk().await.unwrap().unwrap(), "one");
            second.await.unwrap();
            assert_eq!(body.next_chunk().await.unwrap().unwrap(), "two");
        });
    }

    #[test]
    fn trailers_follow_the_data() {
        let (mut sender, mut body) = Body::channel();
        let trailers = block_on(async {
            sender.send("data").await.unwrap();
            sender.finish_with_trailers([(http::header::ETAG, "\"1\"".parse().unwrap())].into_iter().collect());
            body.trailers().await.unwrap().unwrap()
        });
        assert_eq!(trailers["etag"], "\"1\"");
    }
}
