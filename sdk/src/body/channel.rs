//! Bodies that are written piece by piece.

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
/// Such a body ends normally only with [`finish`](Sender::finish) or
/// [`finish_with_trailers`](Sender::finish_with_trailers). Dropping the sender without them breaks the message off, so
/// that the peer notices that the message is incomplete.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// use wayside::Body;
///
/// let (mut sender, body) = Body::channel();
/// wayside::spawn(async move {
///     // The client receives this piece, and then sees that the message is incomplete.
///     let _ = sender.send("a part").await;
/// })
/// .detach();
/// assert!(body.text().await.unwrap_err().is_incomplete());
/// # Ok::<(), wayside::body::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Mutex<ChannelState>>,
}

pub(super) struct Receiver {
    shared: Arc<Mutex<ChannelState>>,
}

#[derive(Debug, Default)]
struct ChannelState {
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
    /// Sends one piece, once the reader has taken the previous piece. Empty pieces are dropped.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::is_closed`] if the reader is gone, for example because the client disconnected.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::body::{Error, Sender};
    ///
    /// /// Sends until the reader has gone, which is not a failure.
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
        let mut chunk = Some(chunk.into()).filter(|chunk: &Bytes| !chunk.is_empty());
        poll_fn(|cx| {
            // Cloned before the lock is taken, because cloning a waker runs foreign code, which must not run under it.
            let waker = cx.waker().clone();
            let (sent, receiver, _replaced) = {
                let mut shared = lock(&self.shared);
                if shared.receiver_gone {
                    (Poll::Ready(Err(Error::closed())), None, Some(waker))
                } else if shared.chunk.is_some() {
                    (Poll::Pending, None, shared.sender.replace(waker))
                } else {
                    shared.chunk = chunk.take();
                    (Poll::Ready(Ok(())), shared.receiver.take(), Some(waker))
                }
            };
            wake(receiver);
            sent
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
        // If the body has already ended, the new `end` is dropped only after the lock has been released.
        let (receiver, _unused) = {
            let mut shared = lock(&self.shared);
            match shared.end {
                Some(_) => (None, Some(end)),
                None => {
                    shared.end = Some(end);
                    (shared.receiver.take(), None)
                }
            }
        };
        wake(receiver);
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
        let waker = cx.waker().clone();
        let (frame, sender, _replaced) = {
            let mut shared = lock(&self.shared);
            if let Some(chunk) = shared.chunk.take() {
                (Poll::Ready(Some(Ok(Frame::data(chunk)))), shared.sender.take(), Some(waker))
            } else if shared.end.is_some() {
                (Poll::Ready(shared.take_end()), None, Some(waker))
            } else {
                (Poll::Pending, None, shared.receiver.replace(waker))
            }
        };
        wake(sender);
        frame
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        shared.chunk.is_none() && matches!(shared.end, Some(End::Finished(None) | End::Done))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let (sender, _chunk, _receiver) = {
            let mut shared = lock(&self.shared);
            shared.receiver_gone = true;
            (shared.sender.take(), shared.chunk.take(), shared.receiver.take())
        };
        wake(sender);
    }
}

impl ChannelState {
    /// Returns the trailers or the error that ends the message, and `None` in later calls.
    fn take_end(&mut self) -> Option<Result<Frame<Bytes>, Error>> {
        match self.end.replace(End::Done) {
            Some(End::Finished(Some(trailers))) => Some(Ok(Frame::trailers(trailers))),
            Some(End::Aborted) => Some(Err(Error::aborted())),
            Some(End::Finished(None) | End::Done) | None => None,
        }
    }
}

fn lock(shared: &Mutex<ChannelState>) -> MutexGuard<'_, ChannelState> {
    // No foreign code runs under the lock: no waker is cloned, woken or dropped, and no piece is dropped. Otherwise a
    // waker that polls the body at once, or owns it, would take the lock a second time. As no foreign code can panic
    // under the lock, a poisoned lock still guards a consistent state.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Wake, Waker};

    use bytes::Bytes;

    use super::super::Body;
    use super::*;
    use crate::task::tests::within_a_minute;
    use crate::test::block_on;

    /// A waker that polls its future at once, within the call to `wake`.
    #[derive(Default)]
    struct AtOnce(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

    impl AtOnce {
        fn start(future: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
            let this = Arc::new(Self(Mutex::new(Some(Box::pin(future)))));
            Arc::clone(&this).wake();
            this
        }

        fn is_done(&self) -> bool {
            self.0.lock().unwrap().is_none()
        }
    }

    impl Wake for AtOnce {
        fn wake(self: Arc<Self>) {
            let waker = Waker::from(Arc::clone(&self));
            let Some(mut future) = self.0.lock().unwrap().take() else { return };
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                *self.0.lock().unwrap() = Some(future);
            }
        }
    }

    /// A waker that owns a value and does nothing when it is woken.
    struct Owner<T>(Mutex<Option<T>>);

    impl<T: Send> Wake for Owner<T> {
        fn wake(self: Arc<Self>) {}
    }

    /// Polls a future once, with a waker that owns `owned`, and asserts that the future is pending.
    fn poll_once<T: Send + 'static>(future: impl Future, owned: T) {
        let waker = Waker::from(Arc::new(Owner(Mutex::new(Some(owned)))));
        let mut future = std::pin::pin!(future);
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }

    #[test]
    fn a_waker_of_the_reader_may_poll_the_body_at_once() {
        within_a_minute(|| {
            let (mut sender, body) = Body::channel();
            let reader = AtOnce::start(async move { assert_eq!(body.text().await.unwrap(), "one two") });
            block_on(sender.send("one ")).unwrap();
            block_on(sender.send("two")).unwrap();
            assert!(!reader.is_done());
            sender.finish();
            assert!(reader.is_done());
        });
    }

    #[test]
    fn a_waker_of_the_sender_may_send_at_once() {
        within_a_minute(|| {
            let (mut sender, mut body) = Body::channel();
            let writer = AtOnce::start(async move {
                sender.send("one").await.unwrap();
                sender.send("two").await.unwrap();
                assert!(sender.send("three").await.unwrap_err().is_closed());
            });
            assert_eq!(block_on(body.next_chunk()).unwrap().unwrap(), "one");
            drop(body);
            assert!(writer.is_done());
        });
    }

    #[test]
    fn a_waker_may_own_the_other_end() {
        within_a_minute(|| {
            // The second poll replaces the first waker, which is dropped with the body that it owns.
            let (mut sender, body) = Body::channel();
            block_on(sender.send("one")).unwrap();
            poll_once(sender.send("two"), body);
            let (_, other) = Body::channel();
            poll_once(sender.send("two"), other);
            assert!(block_on(sender.send("two")).unwrap_err().is_closed());
            // Dropping the body drops the waker that waits for it, and the sender that this waker owns.
            let (sender, mut body) = Body::channel();
            poll_once(body.next_chunk(), sender);
            drop(body);
        });
    }

    #[test]
    fn a_waker_that_owns_the_body_goes_when_the_sender_does() {
        within_a_minute(|| {
            let (sender, body) = Body::channel();
            let owner = Arc::new(Owner(Mutex::new(Some(body))));
            let waker = Waker::from(Arc::clone(&owner));
            {
                let mut body = owner.0.lock().unwrap();
                let mut next = std::pin::pin!(body.as_mut().unwrap().next_chunk());
                assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            let body_lives = Arc::downgrade(&owner);
            drop((owner, waker));
            drop(sender);
            assert!(body_lives.upgrade().is_none());
        });
    }

    #[test]
    fn a_piece_may_own_the_sender() {
        struct Piece {
            _owned: Mutex<Option<Sender>>,
        }

        impl AsRef<[u8]> for Piece {
            fn as_ref(&self) -> &[u8] {
                b"piece"
            }
        }

        within_a_minute(|| {
            let (mut sender, body) = Body::channel();
            let owned = Sender { shared: Arc::clone(&sender.shared) };
            let piece = Bytes::from_owner(Piece { _owned: Mutex::new(Some(owned)) });
            block_on(sender.send(piece)).unwrap();
            drop(body);
            assert!(block_on(sender.send("late")).unwrap_err().is_closed());
        });
    }

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
