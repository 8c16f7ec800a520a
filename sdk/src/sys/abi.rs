//! The code on the canonical ABI that the WASI worlds share: memory for results of the host, the heads of messages,
//! and the table of waitables. Native tests run this code against a fake host.

#[cfg(target_family = "wasm")]
pub(super) mod convert;
pub(super) mod head;
#[cfg(any(feature = "allocator", test))]
mod memory;
#[cfg(not(any(feature = "allocator", test)))]
mod memory_of_std;
pub(super) mod waitable;

#[cfg(any(feature = "allocator", test))]
pub(super) use memory::{gather, lists};
#[cfg(not(any(feature = "allocator", test)))]
pub(super) use memory_of_std::{gather, lists};
