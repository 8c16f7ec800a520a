//! Byte streams.

use std::mem;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use wit_bindgen::rt::async_support::{StreamReader, StreamVtable, StreamWriter};

use super::alarm::drop_reader;
use super::{BLOCKED, Status, outcome, waitable};
use crate::sys::wasip3::bindings::wit_stream::{self, StreamPayload};

const VTABLE: &StreamVtable<u8> = <u8 as StreamPayload>::VTABLE;

/// The most bytes that one operation can move (a limit of the canonical ABI).
const MAX_BYTES: usize = (1 << 28) - 1;

/// The reader of a stream.
pub(in crate::sys::wasip3) struct Source {
    /// The handle of the reader; 0 once [`into_reader`](Source::into_reader) has returned the stream.
    reader: u32,
    /// The read buffer. Its length is 0 from the start of a read to its end. While `reading` is true, the host writes
    /// into the spare capacity, and the memory is neither moved nor freed.
    buffer: Vec<u8>,
    /// Whether a read is in progress. Then `Drop` cancels it.
    reading: bool,
    ended: bool,
}

impl Source {
    pub(in crate::sys::wasip3) fn new(reader: StreamReader<u8>) -> Self {
        Self { reader: reader.take_handle(), buffer: Vec::new(), reading: false, ended: false }
    }

    /// Reads the next piece, which is never empty, of at most `most` bytes. Returns `None` at the end of the stream.
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
        // SAFETY: the host writes into the spare capacity of the buffer. The buffer is not touched while `reading` is
        // true, and `drop` cancels the operation before the buffer is freed.
        unsafe { (VTABLE.start_read)(self.reader, room.as_mut_ptr().cast(), room.len().min(MAX_BYTES)) }
    }

    /// Handles the result of a finished read. Returns the number of bytes that the host has written.
    fn take(&mut self, code: u32) -> usize {
        let (status, count) = outcome(code);
        self.ended = status == Status::Dropped;
        assert!(count <= self.buffer.capacity(), "the host has read at most what the buffer holds");
        // SAFETY: the length of the buffer was 0, and the host has written `count` bytes from its start. They fit, as
        // asserted above.
        unsafe { self.buffer.set_len(count) };
        count
    }

    fn piece(&mut self) -> Bytes {
        if self.buffer.len() < self.buffer.capacity() / 2 {
            // A small piece is copied, so that it does not keep a large buffer alive. The buffer is used again for
            // the next read.
            let piece = Bytes::copy_from_slice(&self.buffer);
            self.buffer.clear();
            return piece;
        }
        mem::take(&mut self.buffer).into()
    }

    /// Returns the stream. Fails while a read is in progress, or once the stream has ended.
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
    /// The bytes that are left to write. While `writing` is true, the host reads them, and they are not replaced.
    bytes: Bytes,
    /// Whether a write is in progress. Then `Drop` cancels it.
    writing: bool,
    closed: bool,
}

/// The reader of the stream has been dropped.
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
    /// Panics while the previous bytes are being written, because it would be unsound to free them.
    pub(in crate::sys::wasip3) fn set(&mut self, bytes: Bytes) {
        assert!(!self.writing, "bytes are replaced only after they were written");
        debug_assert!(self.bytes.is_empty());
        self.bytes = bytes;
    }

    /// Polls until all bytes from [`set`](Sink::set) have been written.
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
        // SAFETY: the host reads the bytes, which do not change. `drop` cancels the operation before the bytes are
        // freed.
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
