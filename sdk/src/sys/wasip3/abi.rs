//! Tasks, streams and futures of the component model, as its canonical ABI has them.
//!
//! `wit-bindgen` has a run time for them too, which is general and costs some thousand instructions a request. What a
//! handler needs is less: one future a task, and operations that keep their buffers until the host is done with them.
//! Everything that `wit-bindgen` generates still works here, and so does its `spawn_local`, because a task offers the
//! structure that all versions share (see [`foreign`]).
//!
//! The rule that keeps this sound: memory that an operation of the host reads or writes is on the heap or static, belongs
//! to whoever started the operation, and is given up only when the host has said that the operation is over.

#![allow(unsafe_code, reason = "the canonical ABI passes pointers, and the host uses them until an operation is over")]

mod alarm;
mod call;
mod current;
mod foreign;
mod future;
mod stream;
mod task;
mod value;
mod waitable;

pub(super) use call::{OutboundCall, Wait};
pub(super) use current::waker;
pub(super) use future::{Ending, break_all_off, say_ok};
pub(super) use stream::{Sink, Source};
pub(super) use task::{callback, is_cancelled, return_response, start};

/// What the host answers where an operation goes on: an event will tell its end.
const BLOCKED: u32 = u32::MAX;

/// How an operation on a stream or a future ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Completed,
    /// The peer has given up its end.
    Dropped,
    Cancelled,
}

/// Splits what the host says of an operation that is over: how it ended, and how many items were moved.
fn outcome(code: u32) -> (Status, usize) {
    let status = match code & 0xf {
        0 => Status::Completed,
        1 => Status::Dropped,
        _ => Status::Cancelled,
    };
    (status, (code >> 4) as usize)
}
