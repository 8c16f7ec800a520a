//! The output of components, as WASI streams.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use super::{LogStream, Recorder};
use crate::show::{Escaper, whole_characters};

/// An output stream of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Output(Arc<Stream>);

#[derive(Debug)]
struct Stream {
    request: Arc<AtomicU64>,
    stream: LogStream,
    recorder: Recorder,
    /// The first bytes of an incomplete character. A component may write a long line in several pieces, and split a
    /// character.
    left: Mutex<Vec<u8>>,
}

impl Output {
    /// Creates a stream. What is written to it belongs to the request whose number is in `request` at that time.
    pub(super) fn new(request: Arc<AtomicU64>, stream: LogStream, recorder: Recorder) -> Self {
        Self(Arc::new(Stream { request, stream, recorder, left: Mutex::default() }))
    }

    fn record(&self, bytes: &[u8]) {
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.record(&whole_characters(&mut left, bytes));
    }
}

impl Stream {
    fn record(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.recorder.pass_on {
            // Escapes control characters: stderr may be a terminal, which a component must not control.
            let mut escaper = Escaper::default();
            print(&(escaper.push(bytes) + &escaper.finish()));
        }
        let request = self.request.load(Ordering::Relaxed);
        self.recorder.log(request, self.stream, String::from_utf8_lossy(bytes).into_owned());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let left = std::mem::take(self.left.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.record(&left);
    }
}

fn print(text: &str) {
    // A closed stderr must not fail a request.
    let _ = io::Write::write_all(&mut io::stderr().lock(), text.as_bytes());
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.record(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// How many bytes a component may write at once.
const WRITE_BYTES: usize = 64 * 1024;

#[wasmtime_wasi::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.record(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(WRITE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_written_in_two_pieces_stays_whole() {
        let recorder = Recorder::new(false, None);
        let output = Output::new(Arc::new(AtomicU64::new(1)), LogStream::Stdout, recorder.clone());
        for piece in [&b"caf\xc3"[..], b"\xa9 \xf0\x9f", b"\x98", b"\x80\n", b"\xe2\x82"] {
            output.record(piece);
        }
        drop(output);
        let text: String = recorder.logs().into_iter().map(|entry| entry.text).collect();
        assert_eq!(text, "caf\u{e9} \u{1f600}\n\u{fffd}");
    }
}
