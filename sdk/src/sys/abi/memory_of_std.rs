//! The memory of a component without the feature `allocator`: the standard library's, for everything.

#![allow(unsafe_code, reason = "the callers of the other memory have something to promise")]

use bytes::Bytes;

/// Calls a function of the host that answers with lists or texts.
pub(in crate::sys) fn lists<R>(call: impl FnOnce() -> R) -> R {
    call()
}

/// Calls functions of the host; each answer has memory of its own.
///
/// # Safety
///
/// None here; see the memory of the feature `allocator`.
pub(in crate::sys) unsafe fn gather<R>(call: impl FnOnce() -> R) -> (R, Bytes) {
    (call(), Bytes::new())
}
