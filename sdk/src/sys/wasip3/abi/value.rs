//! Values that the host reads and writes through an address.

use std::alloc::{alloc, dealloc, handle_alloc_error};

use wit_bindgen::rt::async_support::FutureVtable;

use super::{Status, outcome};
use crate::sys::wasip3::bindings::wasi::http::types::{ErrorCode, Response, Trailers};
use crate::sys::wasip3::bindings::wit_future::FuturePayload;

/// The end of a body: its trailers if there are any, or an error.
pub(super) type Ended = Result<Option<Trailers>, ErrorCode>;

pub(super) const ENDED: &FutureVtable<Ended> = <Ended as FuturePayload>::VTABLE;

/// Where a response is in a result that may hold an error code instead, which is aligned to 8 bytes.
const RESPONSE_OFFSET: usize = 8;

/// Zeros are how the canonical ABI writes the first case of a variant: `ok`, and `none` in it.
#[repr(align(8))]
struct Zeros([u8; 64]);
static OK: Zeros = Zeros([0; 64]);

/// A value that is being written.
pub(super) struct Unattended {
    pub(super) value: Value,
    pub(super) drop_writable: unsafe extern "C" fn(u32),
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
pub(super) enum Value {
    Ok,
    Lowered(*mut u8),
}

impl Value {
    pub(super) fn new(ended: Ended) -> Self {
        let address = allocate();
        // SAFETY: there is room for the value.
        unsafe { (ENDED.lower)(ended, address) };
        Self::Lowered(address)
    }

    pub(super) fn address(&self) -> *const u8 {
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
