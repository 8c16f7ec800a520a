//! Breaks a response off only when all data before the failure has been written to the socket.
//!
//! When a body fails, hyper drops the connection (HTTP/1.1) or the queued frames of the stream (HTTP/2) at once.
//! Unwritten data would be lost: the last data, and the head of a response whose body fails early.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::{Response, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::message::body::Body;
use crate::message::body::BodyError;

/// The write state of a connection, shared by its socket, its task, and the bodies that it sends.
#[derive(Clone, Default)]
pub(super) struct Flush(Arc<FlushState>);

#[derive(Default)]
struct FlushState {
    /// How often the connection has been polled.
    polls: AtomicU64,
    /// The number of the last poll after which everything was written.
    flushed: AtomicU64,
    /// Whether hyper has written something since the socket was last flushed.
    unwritten: AtomicBool,
    /// Whether a response that ends with the connection is broken. The connection must then be reset.
    reset: AtomicBool,
    connection: AtomicWaker,
    /// The bodies that wait until everything is written.
    waiting: Mutex<Vec<Waker>>,
}

impl Flush {
    /// Observes writes to a socket.
    pub(super) fn socket<S>(&self, socket: S) -> Socket<S> {
        Socket { io: TokioIo::new(socket), shared: Arc::clone(&self.0) }
    }

    /// Whether the connection must be reset instead of closed, because closing it would end a response normally.
    pub(super) fn must_reset(&self) -> bool {
        self.0.reset.load(Ordering::SeqCst)
    }

    /// Holds back the failure of a response body until all data before it is written. `version` is the HTTP version of
    /// the request.
    pub(super) fn hold_failure(&self, response: Response<Body>, version: Version) -> Response<HeldBody> {
        // In HTTP/1.0, a response of unknown length ends with the connection (RFC 9112, section 6.3).
        let ends_by_closing = version < Version::HTTP_11
            && !response.headers().contains_key(header::CONTENT_LENGTH)
            && response.body().size_hint().exact().is_none();
        response.map(|body| HeldBody { state: HeldState::Passing(body), flush: self.clone(), ends_by_closing })
    }

    /// Polls the connection, and records after which polls everything is written.
    pub(super) async fn run<C: Future>(&self, connection: C) -> C::Output {
        let mut connection = pin!(connection);
        std::future::poll_fn(|cx| {
            self.0.connection.register(cx.waker());
            let number = self.0.polls.fetch_add(1, Ordering::SeqCst) + 1;
            let polled = connection.as_mut().poll(cx);
            if !self.0.unwritten.load(Ordering::SeqCst) {
                self.0.flushed.store(number, Ordering::SeqCst);
                self.0.waiting().drain(..).for_each(Waker::wake);
            }
            polled
        })
        .await
    }
}

impl FlushState {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of a poll of the connection that writes, or begins to write, all data that hyper holds now.
    ///
    /// This is the next poll. The running one may have passed over the data, because in HTTP/2 another task hands it to
    /// hyper.
    fn next_poll(&self) -> u64 {
        self.polls.load(Ordering::SeqCst) + 1
    }

    /// Completes when all data is written after the poll with this number, or after a later one.
    fn poll_flushed(&self, number: u64, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting();
        if self.flushed.load(Ordering::SeqCst) >= number {
            return Poll::Ready(());
        }
        waiting.push(cx.waker().clone());
        drop(waiting);
        // The connection may have no other reason to be polled.
        self.connection.wake();
        Poll::Pending
    }
}

/// The body of a response. If the body fails, hyper gets the failure only when all data before it is written.
pub(super) struct HeldBody {
    state: HeldState,
    flush: Flush,
    /// Whether the end of the connection ends the body.
    ends_by_closing: bool,
}

enum HeldState {
    Passing(Body),
    /// The body has failed. The number is that of the connection's poll which writes the data before the failure.
    Failed(BodyError, u64),
    Over,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let HeldState::Passing(body) = &mut this.state {
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Err(error)) => this.state = HeldState::Failed(error, this.flush.0.next_poll()),
                frame => return Poll::Ready(frame),
            }
        }
        let HeldState::Failed(_, number) = &this.state else { return Poll::Ready(None) };
        ready!(this.flush.0.poll_flushed(*number, cx));
        if this.ends_by_closing {
            this.flush.0.reset.store(true, Ordering::SeqCst);
        }
        match std::mem::replace(&mut this.state, HeldState::Over) {
            HeldState::Failed(error, _) => Poll::Ready(Some(Err(error))),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            HeldState::Passing(body) => body.is_end_stream(),
            HeldState::Failed(..) => false,
            HeldState::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            HeldState::Passing(body) => body.size_hint(),
            HeldState::Failed(..) => SizeHint::default(),
            HeldState::Over => SizeHint::with_exact(0),
        }
    }
}

/// A socket that records whether data is unwritten.
pub(super) struct Socket<S> {
    io: TokioIo<S>,
    shared: Arc<FlushState>,
}

impl<S: AsyncRead + Unpin> Read for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.unwritten.store(true, Ordering::SeqCst);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        // hyper flushes the socket when its own buffer is empty.
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.shared.unwritten.store(false, Ordering::SeqCst);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.unwritten.store(true, Ordering::SeqCst);
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
