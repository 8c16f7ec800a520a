//! What became of requests: output, traps, and what they took.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

/// Something that a component wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The number of the request, counted from 1.
    pub request: u64,
    /// Where it was written.
    pub stream: LogStream,
    /// What was written; most writers write whole lines.
    pub text: String,
}

/// The two streams that a component can write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A request that ended its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The number of the request, counted from 1.
    pub request: u64,
    /// Why, with the component's backtrace where there is one.
    pub reason: String,
}

/// What one request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The number of the request, counted from 1.
    pub request: u64,
    /// The most memory that the instance had at once, in bytes.
    pub memory_bytes: usize,
    /// How many units of fuel were used, about one an instruction; only where the harness counts it.
    pub fuel: Option<u64>,
    /// How many functions of the host were called; only where the harness counts fuel.
    pub host_calls: Option<u64>,
}

/// Collects what becomes of the requests of one harness.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    records: Arc<Mutex<Records>>,
    running: watch::Sender<usize>,
    /// Whether output goes to this process's own as well.
    pass_on: bool,
}

#[derive(Debug, Default)]
struct Records {
    requests: u64,
    instances: u64,
    logs: VecDeque<LogEntry>,
    log_bytes: usize,
    traps: VecDeque<Trap>,
    usage: VecDeque<Usage>,
}

/// How many entries of each kind are kept; the oldest give way.
const KEPT: usize = 10_000;
/// How many bytes of output are kept; the oldest entries give way.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How long an entry gets before the next begins, also in the middle of a line.
const ENTRY_BYTES: usize = 64 * 1024;

impl Recorder {
    pub(crate) fn new(pass_on: bool) -> Self {
        Self { records: Arc::default(), running: watch::Sender::new(0), pass_on }
    }

    /// Gives a request its number and counts it as running until the guard is dropped.
    pub(crate) fn start(&self) -> Running {
        self.running.send_modify(|running| *running += 1);
        let mut records = self.lock();
        records.requests += 1;
        Running { request: records.requests, recorder: self.clone() }
    }

    pub(crate) async fn idle(&self) {
        let mut running = self.running.subscribe();
        // The sender lives in this recorder, so the wait cannot fail.
        let _ = running.wait_for(|running| *running == 0).await;
    }

    pub(crate) fn instances(&self) -> u64 {
        self.lock().instances
    }

    pub(crate) fn requests(&self) -> u64 {
        self.lock().requests
    }

    pub(crate) fn logs(&self) -> Vec<LogEntry> {
        self.lock().logs.iter().cloned().collect()
    }

    pub(crate) fn traps(&self) -> Vec<Trap> {
        self.lock().traps.iter().cloned().collect()
    }

    pub(crate) fn usage(&self) -> Vec<Usage> {
        self.lock().usage.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep<T>(entries: &mut VecDeque<T>, entry: T) {
    if entries.len() == KEPT {
        entries.pop_front();
    }
    entries.push_back(entry);
}

impl Records {
    fn log(&mut self, request: u64, stream: LogStream, text: String) {
        self.log_bytes += text.len();
        // Formatted output comes in pieces; they are put together again up to the end of the line.
        match self.logs.back_mut() {
            Some(last)
                if last.request == request
                    && last.stream == stream
                    && !last.text.ends_with('\n')
                    && last.text.len() < ENTRY_BYTES =>
            {
                last.text.push_str(&text);
            }
            _ => self.logs.push_back(LogEntry { request, stream, text }),
        }
        while self.logs.len() > KEPT || self.log_bytes > KEPT_BYTES {
            let Some(oldest) = self.logs.pop_front() else { return };
            self.log_bytes -= oldest.text.len();
        }
    }
}

/// A request that is being handled.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) request: u64,
    recorder: Recorder,
}

impl Running {
    /// A stream for what the instance of this request writes; `request` tells which request it works on.
    pub(crate) fn output(&self, stream: LogStream, request: &Arc<AtomicU64>) -> Output {
        Output { request: Arc::clone(request), stream, recorder: self.recorder.clone() }
    }

    pub(crate) fn instantiated(&self) {
        self.recorder.lock().instances += 1;
    }

    pub(crate) fn trapped(&self, reason: String) {
        tracing::error!(request = self.request, "the component trapped: {reason}");
        keep(&mut self.recorder.lock().traps, Trap { request: self.request, reason });
    }

    pub(crate) fn used(&self, memory_bytes: usize, fuel: Option<u64>, host_calls: u64) {
        let usage = Usage { request: self.request, memory_bytes, fuel, host_calls: fuel.map(|_| host_calls) };
        keep(&mut self.recorder.lock().usage, usage);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.recorder.running.send_modify(|running| *running -= 1);
    }
}

/// One output stream of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    request: Arc<AtomicU64>,
    stream: LogStream,
    recorder: Recorder,
}

impl Output {
    fn record(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if self.recorder.pass_on {
            // Not ours to report on: a closed stderr is no reason to fail a request.
            let _ = io::Write::write_all(&mut io::stderr().lock(), bytes);
        }
        let request = self.request.load(Ordering::Relaxed);
        self.recorder.lock().log(request, self.stream, text);
    }
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
