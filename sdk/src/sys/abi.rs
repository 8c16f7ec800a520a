//! What the worlds of WASI share of the canonical ABI: the memory of the host's answers, and the heads of messages in it.

pub(super) mod convert;
pub(super) mod head;
#[cfg(feature = "allocator")]
mod memory;
#[cfg(not(feature = "allocator"))]
mod memory_of_std;

#[cfg(feature = "allocator")]
pub(super) use memory::{gather, lists};
#[cfg(not(feature = "allocator"))]
pub(super) use memory_of_std::{gather, lists};
