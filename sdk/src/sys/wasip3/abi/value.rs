//! Values that the host reads and writes through an address.

use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use wit_bindgen::rt::async_support::FutureVtable;

use super::{Status, outcome};
use crate::sys::wasip3::bindings::wasi::http::types::{ErrorCode, Response, Trailers};
use crate::sys::wasip3::bindings::wit_future::FuturePayload;

/// The end of a body: its trailers if there are any, or an error.
pub(super) type Ended = Result<Option<Trailers>, ErrorCode>;

pub(super) const ENDED: &FutureVtable<Ended> = <Ended as FuturePayload>::VTABLE;

/// The offset of the response in `result<response, error-code>`. It is 8, because an error code is aligned to 8
/// bytes.
const RESPONSE_OFFSET: usize = 8;

/// Asserts the layout that the canonical ABI prescribes for a result: a tag, then the content at the alignment of the
/// larger case.
const _: () = {
    assert!(ENDED.layout.align() == RESPONSE_OFFSET);
    assert!(ENDED.layout.size() >= RESPONSE_OFFSET + size_of::<u32>());
    assert!(ENDED.layout.size() <= size_of::<Zeros>() && ENDED.layout.align() <= align_of::<Zeros>());
};

/// Zeros, which are the first case of every variant in the canonical ABI: here `ok`, and `none` inside of it.
#[repr(align(8))]
struct Zeros([u8; 64]);
static OK: Zeros = Zeros([0; 64]);

/// A value that is being written, while no future waits for the end of the write.
pub(super) struct Unattended {
    pub(super) value: Value,
    pub(super) drop_writable: unsafe extern "C" fn(u32),
}

impl Unattended {
    /// Releases the value and the writer after the write has finished.
    pub(super) fn end(self, writer: u32, code: u32) {
        self.value.end(outcome(code).0 == Status::Completed);
        // SAFETY: the write is over, and this is the only user of the writer.
        unsafe { (self.drop_writable)(writer) };
    }
}

/// A value in the layout of the canonical ABI.
pub(super) enum Value {
    Ok,
    /// Memory of [`allocate`] that contains a lowered [`Ended`]. Freed when the host is done with it.
    Lowered(NonNull<u8>),
}

impl Value {
    pub(super) fn new(ended: Ended) -> Self {
        let address = allocate();
        // SAFETY: the allocation has the layout of a lowered `Ended`.
        unsafe { (ENDED.lower)(ended, address.as_ptr()) };
        Self::Lowered(address)
    }

    pub(super) fn address(&self) -> *const u8 {
        match self {
            Self::Ok => OK.0.as_ptr(),
            Self::Lowered(address) => address.as_ptr(),
        }
    }

    fn end(self, taken: bool) {
        let Self::Lowered(address) = self else { return };
        // SAFETY: the address is that of `new`, and the host is done with it. The host has copied a taken value, except
        // for resources, which it owns now; a value that was not taken is unchanged.
        unsafe {
            if taken {
                (ENDED.dealloc_lists)(address.as_ptr());
            } else {
                drop((ENDED.lift)(address.as_ptr()));
            }
            free(address);
        }
    }
}

/// Allocates memory for a value that may contain an error code: the end of a body, or the result of a request.
pub(super) fn allocate() -> NonNull<u8> {
    // SAFETY: the size of the layout is not 0.
    let address = unsafe { alloc(ENDED.layout) };
    NonNull::new(address).unwrap_or_else(|| handle_alloc_error(ENDED.layout))
}

/// Frees the memory of a value.
///
/// # Safety
///
/// The address must come from [`allocate`], and must no longer be used.
pub(super) unsafe fn free(address: NonNull<u8>) {
    // SAFETY: the caller's promise is passed on.
    unsafe { dealloc(address.as_ptr(), ENDED.layout) }
}

/// Reads the result of a request, and frees its memory.
///
/// # Safety
///
/// The address must come from [`allocate`], and the host must have written a response or an error code there.
pub(super) unsafe fn lift_response(result: NonNull<u8>) -> Result<Response, ErrorCode> {
    // SAFETY: the host has written the result, as the caller promises. The first byte is the tag. A response is a
    // handle at `RESPONSE_OFFSET`. An error code has the same offset as in `Ended`, so `lift` can read it.
    unsafe {
        let address = result.as_ptr();
        let response = if *address == 0 {
            Ok(Response::from_handle(*address.add(RESPONSE_OFFSET).cast()))
        } else {
            match (ENDED.lift)(address) {
                Ok(_) => Err(ErrorCode::InternalError(None)),
                Err(code) => Err(code),
            }
        };
        free(result);
        response
    }
}
