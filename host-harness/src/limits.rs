//! How much a component may take.

mod gate;
mod upload;

use std::time::Duration;

use wasmtime::ResourceLimiter;

pub(crate) use gate::{Busy, Gate, Turn};
pub(crate) use upload::{TooLarge, Upload};

/// What one request may take of the host.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How long the component may take until the head of its response, and again after the end of its body.
    ///
    /// A component that takes longer is ended; before the head, the client gets 504. By default 30 seconds.
    pub timeout: Duration,
    /// How many bytes of memory an instance may have; 256 MiB by default.
    ///
    /// Growing beyond fails inside the component, most of which then trap, and the client gets 500.
    pub memory_bytes: usize,
    /// How many bytes the body of a request may have; as many as it likes by default, because bodies stream.
    ///
    /// The client gets 413: at once where the length is declared, and otherwise when the component has read that far and
    /// the head of its response is not out. After the head the body breaks off inside the component.
    pub body_bytes: Option<u64>,
    /// How many requests may be worked on at once; no limit by default.
    ///
    /// Up to 1024 more wait for their turn, as long as [`timeout`](Self::timeout) says. Others get 503, and so do those that
    /// waited for so long.
    pub concurrency: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), memory_bytes: 256 * 1024 * 1024, body_bytes: None, concurrency: None }
    }
}

impl Limits {
    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets [`memory_bytes`](Self::memory_bytes).
    #[must_use]
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// Sets [`body_bytes`](Self::body_bytes).
    #[must_use]
    pub fn body_bytes(mut self, bytes: u64) -> Self {
        self.body_bytes = Some(bytes);
        self
    }

    /// Sets [`concurrency`](Self::concurrency), which is 1 at least.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = Some(requests.max(1));
        self
    }
}

/// How many elements the tables of an instance may have; functions pointers take one each.
const TABLE_ELEMENTS: usize = 100_000;

/// Holds an instance to its limits and keeps count.
#[derive(Debug)]
pub(crate) struct Meter {
    limit_bytes: usize,
    peak_bytes: usize,
    exceeded: bool,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit_bytes: limits.memory_bytes, peak_bytes: 0, exceeded: false }
    }

    /// The most memory that the instance had at once.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    /// The limit, if the instance asked for more.
    pub(crate) fn exceeded_bytes(&self) -> Option<usize> {
        self.exceeded.then_some(self.limit_bytes)
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.limit_bytes {
            self.exceeded = true;
            return Ok(false);
        }
        self.peak_bytes = self.peak_bytes.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}
