//! Futures of the component model, of which the writing end must be written before it is dropped: hosts trap otherwise.

use std::cell::RefCell;
use std::mem;

use wit_bindgen::rt::async_support::{FutureReader, FutureVtable};

use super::value::{ENDED, Ended, Unattended, Value};
use super::{BLOCKED, waitable};
use crate::sys::wasip3::bindings::wasi::http::types::{ErrorCode, Trailers};
use crate::sys::wasip3::bindings::wit_future::FuturePayload;

/// Whether the reader of a body failed.
type Read = Result<(), ErrorCode>;

const READ: &FutureVtable<Read> = <Read as FuturePayload>::VTABLE;

thread_local! {
    /// The bodies that have not ended.
    static OPEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// The end of a body that is being sent. Dropped without [`finish`](Ending::finish), it breaks the body off.
pub(in crate::sys::wasip3) struct Ending(u32);

impl Ending {
    pub(in crate::sys::wasip3) fn new() -> (Self, FutureReader<Ended>) {
        let (writer, reader) = new(ENDED);
        OPEN.with_borrow_mut(|open| open.push(writer));
        (Self(writer), reader)
    }

    /// Ends the body well.
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

/// Breaks every body off that has not ended: for the panic hook, after which no other code runs.
pub(in crate::sys::wasip3) fn break_all_off() {
    let open = OPEN.try_with(|open| open.try_borrow_mut().map(|mut open| mem::take(&mut *open)));
    for writer in open.into_iter().flatten().flatten() {
        let value = Value::new(Err(ErrorCode::InternalError(None)));
        // SAFETY: the value has the shape that the future has, and is never given up.
        unsafe { (ENDED.start_write)(writer, value.address()) };
    }
}

/// Makes a future that says that a body was read without trouble.
pub(in crate::sys::wasip3) fn say_ok() -> FutureReader<Read> {
    let (writer, reader) = new(READ);
    write(READ, writer, Value::Ok);
    reader
}

/// Makes a future: the number of its writing end, and the reader.
fn new<T>(vtable: &'static FutureVtable<T>) -> (u32, FutureReader<T>) {
    // SAFETY: the call has no conditions; the reading end goes to its only owner.
    unsafe {
        let ends = (vtable.new)();
        ((ends >> 32) as u32, FutureReader::new(ends as u32, vtable))
    }
}

/// Writes a value, and gives up the writing end when it has been taken or nobody wants it any more.
fn write<T>(vtable: &'static FutureVtable<T>, writer: u32, value: Value) {
    // SAFETY: the value has the shape that the future has, and stays until the write is over: in `Unattended` if that
    // takes a while.
    let code = unsafe { (vtable.start_write)(writer, value.address()) };
    let write = Unattended { value, drop_writable: vtable.drop_writable };
    if code == BLOCKED {
        waitable::attend(writer, write);
    } else {
        write.end(writer, code);
    }
}
