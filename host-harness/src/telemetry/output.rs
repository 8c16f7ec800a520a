//! What components write, as streams of WASI.

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
use crate::show::Escaper;

/// One output stream of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    request: Arc<AtomicU64>,
    stream: LogStream,
    recorder: Recorder,
    passed_on: Option<Arc<PassedOn>>,
}

impl Output {
    /// A stream of the request with a number that may change.
    pub(super) fn new(request: Arc<AtomicU64>, stream: LogStream, recorder: Recorder) -> Self {
        let passed_on = recorder.pass_on.then(Arc::default);
        Self { request, stream, recorder, passed_on }
    }

    fn record(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Some(passed_on) = &self.passed_on {
            let mut escaper = passed_on.0.lock().unwrap_or_else(PoisonError::into_inner);
            print(&escaper.push(bytes));
        }
        let request = self.request.load(Ordering::Relaxed);
        self.recorder.log(request, self.stream, text);
    }
}

/// Output that also goes to this process's stderr, without control characters: it may be a terminal, which a component must
/// not control.
#[derive(Debug, Default)]
struct PassedOn(Mutex<Escaper>);

impl Drop for PassedOn {
    fn drop(&mut self) {
        print(&self.0.get_mut().unwrap_or_else(PoisonError::into_inner).finish());
    }
}

fn print(text: &str) {
    // A closed stderr is no reason to fail a request.
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

/// How much a component may write at once.
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
