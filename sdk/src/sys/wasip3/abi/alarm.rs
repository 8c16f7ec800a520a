//! The alarm of a sleeping task: the end of a stream without data.
//!
//! The host calls a sleeping task back for events only. So a waker makes an event: it closes a stream that the task
//! reads.

use wit_bindgen::rt::async_support::StreamVtable;

use crate::sys::wasip3::bindings::wit_stream::StreamPayload;

const VTABLE: &StreamVtable<u8> = <u8 as StreamPayload>::VTABLE;

/// Makes a stream. Returns the handles of its reader and its writer.
pub(super) fn new() -> (u32, u32) {
    // SAFETY: the call has no conditions.
    let ends = unsafe { (VTABLE.new)() };
    (ends as u32, (ends >> 32) as u32)
}

/// Starts a read that completes only when the stream ends.
pub(super) fn start(reader: u32) {
    static mut NEVER_WRITTEN: [u8; 1] = [0];
    // SAFETY: the buffer is static, and no other code uses it.
    unsafe { (VTABLE.start_read)(reader, (&raw mut NEVER_WRITTEN).cast(), 1) };
}

pub(super) fn drop_reader(reader: u32) {
    // SAFETY: the owner of the stream drops this end once, and no operation is in progress on it.
    unsafe { (VTABLE.drop_readable)(reader) }
}

pub(super) fn drop_writer(writer: u32) {
    // SAFETY: the owner of the stream drops this end once, and no operation is in progress on it.
    unsafe { (VTABLE.drop_writable)(writer) }
}
