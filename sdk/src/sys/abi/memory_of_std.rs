//! The memory of a component without the feature `allocator`: everything comes from the standard library.

#![allow(unsafe_code, reason = "the callers of the other memory have something to promise")]

use bytes::Bytes;

/// Calls a function of the host whose result contains lists or texts.
pub(in crate::sys) fn lists<R>(call: impl FnOnce() -> R) -> R {
    call()
}

/// Calls functions of the host; each result has its own memory.
///
/// # Safety
///
/// This version has no conditions. The version with the feature `allocator` has some, and callers serve both.
pub(in crate::sys) unsafe fn gather<R>(call: impl FnOnce() -> R) -> (R, Bytes) {
    (call(), Bytes::new())
}
