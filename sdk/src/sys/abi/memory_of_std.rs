//! The memory of a component without the feature `allocator`: all results get memory from the allocator of the
//! standard library.

#![allow(unsafe_code, reason = "the callers of the other memory have something to promise")]

use bytes::Bytes;

/// Calls a function of the host whose result contains lists or strings.
pub(in crate::sys) fn lists<R>(call: impl FnOnce() -> R) -> R {
    call()
}

/// Calls functions of the host. Each result gets a separate allocation, and the returned block is empty.
///
/// # Safety
///
/// This function has no conditions. Its counterpart for the feature `allocator` has some, and callers must meet them,
/// because they are compiled with either function.
pub(in crate::sys) unsafe fn gather<R>(call: impl FnOnce() -> R) -> (R, Bytes) {
    (call(), Bytes::new())
}
