//! Futures of the component model, of which the writing end must be written before it is dropped: hosts trap otherwise.

use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::mem;

use wit_bindgen::rt::async_support::{FutureReader, FutureVtable};

use super::{BLOCKED, Status, outcome, waitable};
use crate::sys::wasip3::bindings::wasi::http::types::{ErrorCode, Response, Trailers};
use crate::sys::wasip3::bindings::wit_future::FuturePayload;

/// How a body ended: well, with trailers or none, or not.
type Ended = Result<Option<Trailers>, ErrorCode>;
/// Whether the reader of a body had trouble with it.
type Read = Result<(), ErrorCode>;

const ENDED: &FutureVtable<Ended> = <Ended as FuturePayload>::VTABLE;
const READ: &FutureVtable<Read> = <Read as FuturePayload>::VTABLE;

/// Where a response is in a result that may hold an error code instead, which is aligned to 8 bytes.
const RESPONSE_OFFSET: usize = 8;

/// Zeros are how the canonical ABI writes the first case of a variant: `ok`, and `none` in it.
#[repr(align(8))]
struct Zeros([u8; 64]);
static OK: Zeros = Zeros([0; 64]);

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

/// A value that is being written.
pub(super) struct Unattended {
    value: Value,
    drop_writable: unsafe extern "C" fn(u32),
}

impl Unattended {
    /// Ends a write that is over.
    pub(super) fn end(self, writer: u32, code: u32) {
        self.value.end(outcome(code).0 == Status::Completed);
        // SAFETY: the write is over, and this was the only user of the writing end.
        unsafe { (self.drop_writable)(writer) };
    }
}

/// A value as the canonical ABI writes it.
enum Value {
    Ok,
    Lowered(*mut u8),
}

impl Value {
    fn new(ended: Ended) -> Self {
        let address = allocate();
        // SAFETY: there is room for the value.
        unsafe { (ENDED.lower)(ended, address) };
        Self::Lowered(address)
    }

    fn address(&self) -> *const u8 {
        match self {
            Self::Ok => OK.0.as_ptr(),
            Self::Lowered(address) => *address,
        }
    }

    fn end(self, taken: bool) {
        let Self::Lowered(address) = self else { return };
        // SAFETY: the address is that of `new`, and the host is done with it. What it took, it has copied, except for
        // resources, which are its own now; what it did not take comes back whole.
        unsafe {
            if taken {
                (ENDED.dealloc_lists)(address);
            } else {
                drop((ENDED.lift)(address));
            }
            free(address);
        }
    }
}

/// Room for a value with an error code: how a body ended, or what became of a request.
pub(super) fn allocate() -> *mut u8 {
    // SAFETY: the layout has a size.
    let address = unsafe { alloc(ENDED.layout) };
    if address.is_null() {
        handle_alloc_error(ENDED.layout);
    }
    address
}

/// # Safety
///
/// The address is one of [`allocate`], which nobody uses any more.
pub(super) unsafe fn free(address: *mut u8) {
    // SAFETY: the caller's promise is passed on.
    unsafe { dealloc(address, ENDED.layout) }
}

/// Reads what became of a request, and frees its room.
///
/// # Safety
///
/// The address is one of [`allocate`], to which the host has written a response or an error code.
pub(super) unsafe fn lift_response(address: *mut u8) -> Result<Response, ErrorCode> {
    // SAFETY: the first byte says which of the two it is. A response is a number behind it, aligned as an error code
    // would be, which has the same place as in the end of a body.
    unsafe {
        let result = if *address == 0 {
            Ok(Response::from_handle(*address.add(RESPONSE_OFFSET).cast()))
        } else {
            match (ENDED.lift)(address) {
                Ok(_) => Err(ErrorCode::InternalError(None)),
                Err(code) => Err(code),
            }
        };
        free(address);
        result
    }
}
