//! Sends a request again if the server closed a reused connection instead of responding.
//!
//! A server may close an idle connection at any time, even while a request is being sent on it. Such a request is sent
//! again if its method is idempotent (RFC 9110, section 9.2.2; RFC 9112, section 9.3.1) and none of its body has been
//! sent.

use std::error::Error as StdError;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Extensions, Request, request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};

use crate::message::body::Body;
use crate::message::body::BodyError;

/// How often a request is sent again at most, each time on another connection.
const ATTEMPTS: u32 = 3;

/// A copy of a request for another attempt.
pub(super) struct Again {
    head: request::Parts,
    body: Shared,
    left: u32,
}

impl Again {
    /// Copies the request if its method is idempotent. Otherwise returns no copy.
    pub(super) fn keep(request: Request<Body>) -> (Request<Body>, Option<Self>) {
        if !request.method().is_idempotent() {
            return (request, None);
        }
        let (head, body) = request.into_parts();
        let body = Shared::new(body);
        let request = Request::from_parts(head.clone(), Body::new(body.clone()));
        (request, Some(Self { head, body, left: ATTEMPTS }))
    }

    /// Returns the request for another attempt if the server closed a reused connection and none of the body has been
    /// sent.
    pub(super) fn after(&mut self, error: &legacy::Error) -> Option<Request<Body>> {
        self.left = self.left.checked_sub(1)?;
        if !was_kept(error) || !is_closed(error) {
            return None;
        }
        self.body = Shared::new(self.body.take_back()?);
        Some(Request::from_parts(self.head.clone(), Body::new(self.body.clone())))
    }
}

/// Whether the connection of the failed request had brought an earlier response.
fn was_kept(error: &legacy::Error) -> bool {
    let mut extras = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extras);
    }
    extras.get::<Answered>().is_some_and(|answered| answered.0.load(Ordering::Acquire))
}

/// Whether a request failed because its connection was closed, and not for another reason.
fn is_closed(error: &legacy::Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_canceled() || error.is_closed())
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::UnexpectedEof
            );
        }
        cause = error.source();
    }
    false
}

/// The body of a request. It can be taken back until its first frame is read.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<Given>>>);

struct Given {
    body: Body,
    /// Whether a frame of the body has been read.
    begun: bool,
}

impl Shared {
    fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(Given { body, begun: false }))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_back(&self) -> Option<Body> {
        self.lock().take_if(|given| !given.begun).map(|given| given.body)
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut given = self.lock();
        let Some(given) = &mut *given else {
            return Poll::Ready(Some(Err("the request is sent on another connection".into())));
        };
        let frame = Pin::new(&mut given.body).poll_frame(cx);
        given.begun |= matches!(frame, Poll::Ready(Some(_)));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.lock().as_ref().is_some_and(|given| given.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().as_ref().map_or_else(SizeHint::default, |given| given.body.size_hint())
    }
}

/// Records whether a connection has brought a response. It is an extension of each response on that connection.
#[derive(Clone, Default)]
pub(super) struct Answered(Arc<AtomicBool>);

impl Answered {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A connection that records whether it has brought a response.
pub(super) struct KeptConnection<C> {
    connection: C,
    answered: Answered,
}

impl<C> KeptConnection<C> {
    pub(super) fn new(connection: C) -> Self {
        Self { connection, answered: Answered::default() }
    }
}

impl<C: Connection> Connection for KeptConnection<C> {
    fn connected(&self) -> Connected {
        self.connection.connected().extra(self.answered.clone())
    }
}

impl<C: Read + Unpin> Read for KeptConnection<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

impl<C: Write + Unpin> Write for KeptConnection<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, bufs)
    }
}
