//! Futures of the component model. Their writer must write before it is dropped, or the host traps.

use std::cell::RefCell;
use std::mem;

use wit_bindgen::rt::async_support::{FutureReader, FutureVtable};

use super::value::{ENDED, Ended, Unattended, Value};
use super::{BLOCKED, waitable};
use crate::sys::wasip3::bindings::wasi::http::types::{ErrorCode, Trailers};
use crate::sys::wasip3::bindings::wit_future::FuturePayload;

/// The result that the reader of a body reports to its sender.
type Read = Result<(), ErrorCode>;

const READ: &FutureVtable<Read> = <Read as FuturePayload>::VTABLE;

thread_local! {
    /// The handles of the writers that have yet to report the end of a body.
    static OPEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// The end of an outgoing body. Dropping it without [`finish`](Ending::finish) breaks the body off.
pub(in crate::sys::wasip3) struct Ending(u32);

impl Ending {
    pub(in crate::sys::wasip3) fn new() -> (Self, FutureReader<Ended>) {
        let (writer, reader) = new(ENDED);
        OPEN.with_borrow_mut(|open| open.push(writer));
        (Self(writer), reader)
    }

    /// Ends the body normally.
    pub(in crate::sys::wasip3) fn finish(self, trailers: Option<Trailers>) {
        let writer = self.0;
        mem::forget(self);
        end(writer, Ok(trailers));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        end(self.0, Err(ErrorCode::InternalError(None)));
    }
}

fn end(writer: u32, ended: Ended) {
    OPEN.with_borrow_mut(|open| {
        if let Some(index) = open.iter().position(|other| *other == writer) {
            open.swap_remove(index);
        }
    });
    let value = if matches!(ended, Ok(None)) { Value::Ok } else { Value::new(ended) };
    write(ENDED, writer, value);
}

/// Breaks off every unfinished body: for the panic hook, after which no other code runs.
pub(in crate::sys::wasip3) fn break_all_off() {
    let open = OPEN.try_with(|open| open.try_borrow_mut().map(|mut open| mem::take(&mut *open)));
    for writer in open.into_iter().flatten().flatten() {
        let value = Value::new(Err(ErrorCode::InternalError(None)));
        // SAFETY: the value has the layout of the future's type, and is never freed.
        unsafe { (ENDED.start_write)(writer, value.address()) };
    }
}

/// Makes a future that reports that a body was read without a failure.
pub(in crate::sys::wasip3) fn say_ok() -> FutureReader<Read> {
    let (writer, reader) = new(READ);
    write(READ, writer, Value::Ok);
    reader
}

/// Makes a future. Returns the handle of its writer, and the reader.
fn new<T>(vtable: &'static FutureVtable<T>) -> (u32, FutureReader<T>) {
    // SAFETY: the call has no conditions, and `FutureReader` becomes the only owner of the reader's handle.
    unsafe {
        let ends = (vtable.new)();
        ((ends >> 32) as u32, FutureReader::new(ends as u32, vtable))
    }
}

/// Starts to write a value. The writer is dropped once the reader has taken the value or has been dropped.
fn write<T>(vtable: &'static FutureVtable<T>, writer: u32, value: Value) {
    // SAFETY: the value has the layout of the future's type, and stays until the end of the write: in `Unattended`, if
    // the write does not end at once.
    let code = unsafe { (vtable.start_write)(writer, value.address()) };
    let write = Unattended { value, drop_writable: vtable.drop_writable };
    if code == BLOCKED {
        waitable::attend(writer, write);
    } else {
        write.end(writer, code);
    }
}
