//! The memory for results that the host returns.
//!
//! The host allocates memory for lists and strings in a result by calling `cabi_realloc`. Results of the SDK's own
//! calls get memory from the SDK's allocator. Results of all other calls must get memory from C's `malloc`: the C
//! library also reads environment variables and directories from the host, and releases these results with `free`.

#![allow(unsafe_code, reason = "the canonical ABI asks for memory as `realloc` does")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr;

use bytes::Bytes;

#[cfg(target_family = "wasm")]
mod of_component;
#[cfg(test)]
mod tests;

#[cfg(target_family = "wasm")]
pub(in crate::sys) use of_component::{gather, lists};
#[cfg(test)]
pub(super) use tests::{allocate, reallocate};
#[cfg(test)]
pub(in crate::sys) use tests::{gather, lists};

/// The size in bytes of the block that holds gathered results: enough for the head of most messages.
const BLOCK_BYTES: usize = 1024;

/// The state that decides where the next result of the host gets memory.
struct ResultMemory {
    /// Whether results get memory from the SDK's allocator. If not, they get it from C's `malloc`.
    is_ours: Cell<bool>,
    /// The unused part of the block for the current results, from `next` to `end`. Both pointers are null outside of
    /// [`gather`](ResultMemory::gather). The allocations fill the block from its start to `next` without gaps.
    next: Cell<*mut u8>,
    end: Cell<*mut u8>,
}

impl ResultMemory {
    const fn new() -> Self {
        Self { is_ours: Cell::new(false), next: Cell::new(ptr::null_mut()), end: Cell::new(ptr::null_mut()) }
    }

    /// Calls a function of the host whose result contains lists or strings. Their memory comes from the SDK's
    /// allocator.
    fn lists<R>(&self, call: impl FnOnce() -> R) -> R {
        let before = self.is_ours.replace(true);
        let result = call();
        self.is_ours.set(before);
        result
    }

    /// Calls functions of the host, and puts their results into one block. Results that do not fit into the block are
    /// allocated separately.
    ///
    /// # Safety
    ///
    /// `call` must not free the results (as generated bindings do with lists), because the returned block alone owns
    /// the results in it. `ours` must be the global allocator.
    unsafe fn gather<R>(&self, ours: &impl GlobalAlloc, call: impl FnOnce() -> R) -> (R, Bytes) {
        // SAFETY: the size of the layout is not 0, and its alignment, 1, is a power of two.
        let start = unsafe { ours.alloc(Layout::from_size_align_unchecked(BLOCK_BYTES, 1)) };
        if start.is_null() {
            return (self.lists(call), Bytes::new());
        }
        self.next.set(start);
        self.end.set(start.wrapping_add(BLOCK_BYTES));
        let result = self.lists(call);
        let used = self.next.replace(ptr::null_mut()).addr() - start.addr();
        self.end.set(ptr::null_mut());
        // SAFETY: the block comes from the global allocator, with this layout. Its first `used` bytes are
        // initialized, because they are allocations without gaps, and the host has written all of them.
        let block = unsafe { Vec::from_raw_parts(start, used, BLOCK_BYTES) };
        (result, Bytes::from(block))
    }

    /// Allocates memory for a result of the host: `realloc` in the canonical ABI. Returns null if no memory is left.
    ///
    /// # Safety
    ///
    /// `old` must be as the canonical ABI says: the result of an earlier call, or null with the size 0.
    #[inline(always)]
    unsafe fn realloc(
        &self,
        ours: &impl GlobalAlloc,
        of_c: &impl GlobalAlloc,
        old: Piece,
        align: usize,
        size: usize,
    ) -> *mut u8 {
        let next = self.next.get();
        // The subtraction wraps for a size of 0, so an empty result counts as too large for the block. A result whose
        // alignment would leave a gap before it is allocated outside of the block too.
        if size.wrapping_sub(1) < self.end.get().addr() - next.addr() && old.size | next.addr() & (align - 1) == 0 {
            self.next.set(next.wrapping_add(size));
            return next;
        }
        // SAFETY: the called function has the same conditions as this one.
        unsafe { self.realloc_outside(ours, of_c, old, align, size) }
    }

    /// Allocates memory outside of the block.
    ///
    /// # Safety
    ///
    /// The conditions are those of [`realloc`](ResultMemory::realloc).
    #[inline(never)]
    unsafe fn realloc_outside(
        &self,
        ours: &impl GlobalAlloc,
        of_c: &impl GlobalAlloc,
        old: Piece,
        align: usize,
        size: usize,
    ) -> *mut u8 {
        if size == 0 && old.size == 0 {
            // An empty result needs no memory: this aligned address is never read.
            return ptr::without_provenance_mut(align);
        }
        // An allocation never shrinks to 0 bytes, for which the layout would be invalid.
        let size = size.max(1);
        // SAFETY: the layouts are valid, because the canonical ABI promises that `align` is a power of two and that
        // the sizes fit the memory. `old` came from the allocator that is used here, because the host allocates and
        // reallocates a result within one call. The copy is not longer than the old and the new allocation, which do
        // not overlap.
        unsafe {
            let (old_layout, layout) =
                (Layout::from_size_align_unchecked(old.size, align), Layout::from_size_align_unchecked(size, align));
            match (old.size, self.is_ours.get()) {
                (0, true) => ours.alloc(layout),
                (0, false) => of_c.alloc(layout),
                (_, true) if self.is_in_block(old) => {
                    let moved = ours.alloc(layout);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(old.start, moved, old.size.min(size));
                        // The old bytes stay in the block. The host may not have written all of them, so they are
                        // initialized here.
                        old.start.write_bytes(0, old.size);
                    }
                    moved
                }
                (_, true) => ours.realloc(old.start, old_layout, size),
                (_, false) => of_c.realloc(old.start, old_layout, size),
            }
        }
    }

    fn is_in_block(&self, piece: Piece) -> bool {
        let start = self.end.get().addr().wrapping_sub(BLOCK_BYTES);
        piece.size > 0 && piece.start.addr().wrapping_sub(start) < BLOCK_BYTES
    }
}

/// An earlier result of [`ResultMemory::realloc`], or null with the size 0.
#[derive(Clone, Copy)]
struct Piece {
    start: *mut u8,
    size: usize,
}
