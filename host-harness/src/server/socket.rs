//! The socket of a connection.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::activity::Activity;
use super::transfer::DISCARD_BYTES;

/// The most unsent bytes in the system's send buffer. The next write is possible when half of them have been sent. This
/// small limit lets the server distinguish a slow client from one that reads nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 128 * 1024;

/// How long a client may pause after the server has shut down its sending side.
const PAUSE: Duration = Duration::from_secs(5);
/// Replaces `PAUSE` while the whole server stops.
const PAUSE_AT_STOP: Duration = Duration::from_secs(1);

/// A socket that records its activity. Reads and writes both use this half of the stream; the connection keeps the
/// other half to notice a reset.
pub(super) struct Socket {
    stream: OwnedReadHalf,
    activity: Arc<Activity>,
}

impl Socket {
    pub(super) fn new(stream: OwnedReadHalf, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream = self.stream.as_ref();
        loop {
            if stream.poll_write_ready(cx)?.is_pending() {
                self.activity.wrote(false);
                return Poll::Pending;
            }
            match write(stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => {
                    self.activity.wrote(true);
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        // tokio's own read knows that a short read has emptied the socket, which saves a system call.
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() == before {
            self.activity.ended();
        } else {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self.stream.as_ref()))
    }
}

/// Sets the socket options of a connection. Failures are ignored.
pub(super) fn configure(stream: &TcpStream, limit: Duration) {
    // Sends responses at once. Otherwise a small response would wait until the client acknowledges earlier data.
    let _ = stream.set_nodelay(true);
    // Keep-alive probes detect a client that is gone while nothing is sent to it.
    let seconds = Duration::from_secs(limit.as_secs().clamp(1, 7200));
    let _ = SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(seconds).with_interval(seconds));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}

/// Shuts down the sending side.
fn shutdown(stream: &TcpStream) -> io::Result<()> {
    match SockRef::from(stream).shutdown(Shutdown::Write) {
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
        done => done,
    }
}

/// Completes when the client has reset the connection, even if nothing is read or written.
pub(super) async fn reset(stream: &TcpStream) {
    while stream.ready(Interest::ERROR).await.is_ok_and(|ready| !ready.is_error()) {}
}

/// Sets the socket to reset the connection and to discard unsent data when it is closed.
pub(super) fn abort(stream: &TcpStream) {
    // A socket that rejects the option closes in the system's default way.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Shuts down the sending side, and reads for a while in case the client is still sending. Closing a socket with unread
/// data resets the connection, and the client would lose the response (RFC 9112, section 9.6).
pub(super) async fn close(
    stream: &TcpStream,
    activity: &Activity,
    limit: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    if activity.is_at_end() || shutdown(stream).is_err() {
        return;
    }
    if !activity.has_unread() && matches!(stream.try_read(&mut [0]), Ok(0) | Err(_)) {
        return;
    }
    let mut buffer = vec![0; 64 * 1024];
    let deadline = Instant::now() + limit;
    loop {
        let pause = if *stopping.borrow_and_update() { PAUSE_AT_STOP } else { PAUSE };
        let pause = pause.min(deadline.saturating_duration_since(Instant::now()));
        tokio::select! {
            readable = timeout(pause, stream.readable()) => match readable {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            },
            Ok(()) = stopping.changed() => continue,
        }
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) if activity.discarded(bytes) > DISCARD_BYTES => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
