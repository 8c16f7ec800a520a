//! Resource limits of components.

mod gate;
mod upload;

use std::time::Duration;

use wasmtime::ResourceLimiter;

pub(crate) use gate::{Busy, Gate, Turn};
pub(crate) use upload::{LimitedUpload, TooLarge};

/// The resource limits of a request and its instance.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The time limit for the head of the response, and again for the work after the end of the response body. 30
    /// seconds by default.
    ///
    /// A component that takes longer is ended. If it has not sent the head, the client gets 504, or 408 if the
    /// component waits for the request body.
    pub timeout: Duration,
    /// The largest size of all linear memories of an instance together, in bytes. 256 MiB by default.
    ///
    /// A memory does not grow beyond the limit: `memory.grow` fails inside the component. Most components then trap,
    /// and the client gets 500.
    pub memory_bytes: usize,
    /// The largest size of a request body in bytes. No limit by default, because bodies stream.
    ///
    /// The client gets 413: at once if the declared length exceeds the limit, otherwise once the component has read
    /// more than the limit. If the component sends the head of its response before that, the client gets this response,
    /// and the component reads an error in place of the rest of the body.
    pub body_bytes: Option<u64>,
    /// The largest number of concurrent requests. No limit by default.
    ///
    /// Up to 1024 more requests wait, for at most [`timeout`](Self::timeout). A request that waits longer gets 503, and
    /// so does one that finds 1024 requests waiting.
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

    /// Sets [`concurrency`](Self::concurrency). The minimum is 1.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = Some(requests.max(1));
        self
    }
}

/// The largest number of elements in all tables of an instance together. A function pointer is one element.
const TABLE_ELEMENTS: usize = 100_000;

/// Enforces the limits of an instance, and records its usage.
///
/// A composed component has the memories and tables of all its parts. The limits therefore apply to the sum of the
/// memories and to the sum of the tables.
#[derive(Debug)]
pub(crate) struct Meter {
    limit_bytes: usize,
    memory: Memory,
    /// The size before a memory was allowed to grow. It is restored if wasmtime then fails to grow the memory.
    before: Option<Memory>,
    table_elements: usize,
    exceeded: bool,
}

/// The size of the instance's memories together.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    bytes: usize,
    peak_bytes: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limit_bytes: limits.memory_bytes,
            memory: Memory::default(),
            before: None,
            table_elements: 0,
            exceeded: false,
        }
    }

    /// Returns the largest memory of the instance so far.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.memory.peak_bytes
    }

    /// Returns the memory limit in bytes, if the instance asked for more memory.
    pub(crate) fn exceeded_bytes(&self) -> Option<usize> {
        self.exceeded.then_some(self.limit_bytes)
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.before = None;
        let bytes = self.memory.bytes.saturating_sub(current).saturating_add(desired);
        if bytes > self.limit_bytes {
            self.exceeded = true;
            return Ok(false);
        }
        self.before = Some(self.memory);
        self.memory = Memory { bytes, peak_bytes: self.memory.peak_bytes.max(bytes) };
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        if let Some(before) = self.before.take() {
            self.memory = before;
        }
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.table_elements.saturating_sub(current).saturating_add(desired);
        // wasmtime does not grow a table beyond its own maximum, so such a growth must not be counted.
        if elements > TABLE_ELEMENTS || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = elements;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(limit_bytes: usize) -> Meter {
        Meter::new(&Limits::default().memory_bytes(limit_bytes))
    }

    #[test]
    fn memories_count_together() {
        let mut meter = meter(100);
        assert!(meter.memory_growing(0, 40, None).unwrap());
        assert!(meter.memory_growing(0, 40, None).unwrap());
        assert!(meter.memory_growing(40, 60, None).unwrap());
        assert_eq!((meter.peak_bytes(), meter.exceeded_bytes()), (100, None));
        assert!(!meter.memory_growing(40, 41, None).unwrap());
        assert_eq!((meter.peak_bytes(), meter.exceeded_bytes()), (100, Some(100)));
        assert!(!meter.memory_growing(0, usize::MAX, None).unwrap());
    }

    #[test]
    fn memory_that_could_not_be_had_does_not_count() {
        let mut meter = meter(100);
        assert!(meter.memory_growing(0, 40, None).unwrap());
        for _ in 0..3 {
            assert!(meter.memory_growing(40, 90, Some(80)).unwrap());
            meter.memory_grow_failed(wasmtime::Error::msg("beyond its maximum")).unwrap();
        }
        assert_eq!(meter.peak_bytes(), 40);
        assert!(!meter.memory_growing(40, 101, None).unwrap());
        meter.memory_grow_failed(wasmtime::Error::msg("beyond its maximum")).unwrap();
        assert!(meter.memory_growing(40, 100, None).unwrap());
        assert_eq!(meter.peak_bytes(), 100);
    }

    #[test]
    fn tables_count_together() {
        let mut meter = meter(100);
        assert!(meter.table_growing(0, TABLE_ELEMENTS / 2, None).unwrap());
        assert!(meter.table_growing(0, 10, Some(10)).unwrap());
        assert!(!meter.table_growing(10, 20, Some(10)).unwrap());
        assert!(!meter.table_growing(10, TABLE_ELEMENTS / 2 + 1, None).unwrap());
        assert!(meter.table_growing(10, TABLE_ELEMENTS / 2, None).unwrap());
        assert!(!meter.table_growing(0, 1, None).unwrap());
    }
}
