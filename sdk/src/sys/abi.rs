//! The canonical ABI, as the WASI worlds share it: memory for results of the host, and the heads of messages.

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
