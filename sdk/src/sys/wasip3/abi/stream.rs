//! Byte streams.

use std::mem;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use wit_bindgen::rt::async_support::{StreamReader, StreamVtable, StreamWriter};

use super::alarm::drop_reader;
use super::{BLOCKED, Status, outcome, waitable};
use crate::sys::wasip3::bindings::wit_stream::{self, StreamPayload};

const VTABLE: &StreamVtable<u8> = <u8 as StreamPayload>::VTABLE;

/// The most bytes of one operation (limit of the canonical ABI).
const MAX_BYTES: usize = (1 << 28) - 1;

/// The reader of a stream.
pub(in crate::sys::wasip3) struct Source {
    /// Its handle; 0 after it was given away.
    reader: u32,
    /// The read buffer. Its length is 0 from the start of a read to its end. While `reading`, the host writes into its spare
    /// capacity, and it is neither moved nor freed.
    buffer: Vec<u8>,
    /// Whether a read is in progress. Then `Drop` cancels it.
    reading: bool,
    ended: bool,
}

impl Source {
    pub(in crate::sys::wasip3) fn new(reader: StreamReader<u8>) -> Self {
        Self { reader: reader.take_handle(), buffer: Vec::new(), reading: false, ended: false }
    }

    /// Reads the next piece, which is never empty, of at most so many bytes. Returns `None` at the end.
    pub(in crate::sys::wasip3) fn poll_read(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let code = if self.reading {
                ready!(waitable::poll(self.reader, cx))
            } else if self.ended {
                return Poll::Ready(None);
            } else {
                self.start(most)
            };
            self.reading = code == BLOCKED;
            if !self.reading && self.take(code) > 0 {
                return Poll::Ready(Some(self.piece()));
            }
        }
    }

    fn start(&mut self, most: usize) -> u32 {
        self.buffer.reserve_exact(most.saturating_sub(self.buffer.capacity()));
        let room = self.buffer.spare_capacity_mut();
        // SAFETY: the host writes into the spare capacity of the buffer. The buffer is not touched while `reading`, and
        // is freed only after the operation was cancelled (see `drop`).
        unsafe { (VTABLE.start_read)(self.reader, room.as_mut_ptr().cast(), room.len().min(MAX_BYTES)) }
    }

    /// Handles the result of a read.
    fn take(&mut self, code: u32) -> usize {
        let (status, count) = outcome(code);
        self.ended = status == Status::Dropped;
        assert!(count <= self.buffer.capacity(), "the host has read at most what the buffer holds");
        // SAFETY: the host has written so many bytes after the buffer's length, which is 0, and they fit.
        unsafe { self.buffer.set_len(count) };
        count
    }

    fn piece(&mut self) -> Bytes {
        if self.buffer.len() < self.buffer.capacity() / 2 {
            // A small piece is copied, so that it does not keep a large buffer, which is reused.
            let piece = Bytes::copy_from_slice(&self.buffer);
            self.buffer.clear();
            return piece;
        }
        mem::take(&mut self.buffer).into()
    }

    /// Returns the stream. Fails while an operation is in progress.
    pub(in crate::sys::wasip3) fn into_reader(mut self) -> Result<StreamReader<u8>, Self> {
        if self.reading || self.ended {
            return Err(self);
        }
        let reader = mem::take(&mut self.reader);
        waitable::withdraw(reader);
        Ok(StreamReader::new(reader, VTABLE))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if self.reader == 0 {
            return;
        }
        if self.reading && waitable::withdraw(self.reader).is_none() {
            // SAFETY: the operation is in progress, and over when the call returns.
            unsafe { (VTABLE.cancel_read)(self.reader) };
        }
        waitable::forget(self.reader);
        drop_reader(self.reader);
    }
}

/// The writer of a stream. Dropping it ends the stream.
pub(in crate::sys::wasip3) struct Sink {
    writer: StreamWriter<u8>,
    /// The rest to write. The host reads it while `writing`; until then it is not replaced.
    bytes: Bytes,
    /// Whether a write is in progress. Then `Drop` cancels it.
    writing: bool,
    closed: bool,
}

/// The reader was dropped.
pub(in crate::sys::wasip3) struct Closed;

impl Sink {
    pub(in crate::sys::wasip3) fn new() -> (Self, StreamReader<u8>) {
        let (writer, reader) = wit_stream::new::<u8>();
        (Self { writer, bytes: Bytes::new(), writing: false, closed: false }, reader)
    }

    /// Sets the bytes for [`poll_flush`](Sink::poll_flush).
    ///
    /// # Panics
    ///
    /// Panics if the previous bytes are being written: freeing them would be unsound.
    pub(in crate::sys::wasip3) fn set(&mut self, bytes: Bytes) {
        assert!(!self.writing, "bytes are replaced only after they were written");
        debug_assert!(self.bytes.is_empty());
        self.bytes = bytes;
    }

    /// Writes all bytes.
    pub(in crate::sys::wasip3) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        loop {
            let code = if self.writing {
                ready!(waitable::poll(self.writer.handle(), cx))
            } else if self.bytes.is_empty() {
                return Poll::Ready(Ok(()));
            } else if self.closed {
                return Poll::Ready(Err(Closed));
            } else {
                self.start()
            };
            self.writing = code == BLOCKED;
            if !self.writing {
                let (status, count) = outcome(code);
                self.bytes.advance(count);
                self.closed = status == Status::Dropped;
            }
        }
    }

    fn start(&mut self) -> u32 {
        // SAFETY: the host reads the bytes, which do not change, and are freed only after the operation was cancelled
        // (see `drop`).
        unsafe { (VTABLE.start_write)(self.writer.handle(), self.bytes.as_ptr(), self.bytes.len().min(MAX_BYTES)) }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if self.writing && waitable::withdraw(self.writer.handle()).is_none() {
            // SAFETY: the operation is in progress, and over when the call returns.
            unsafe { (VTABLE.cancel_write)(self.writer.handle()) };
        }
        waitable::forget(self.writer.handle());
    }
}
