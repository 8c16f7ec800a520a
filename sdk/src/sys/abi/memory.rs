//! The memory of results of the host.
//!
//! The host allocates memory for lists and texts with `cabi_realloc`. Results of the SDK's calls come from its allocator.
//! Results of other calls must come from C's `malloc`: the C library reads its environment and its directories through this
//! function too, and frees them with `free`.

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

/// The size of the block in bytes: enough for the head of most messages.
const BLOCK_BYTES: usize = 1024;

/// The places where results of the host get memory.
struct ResultMemory {
    /// Whether memory comes from the SDK's allocator, and not from C's.
    is_ours: Cell<bool>,
    /// The unused part of the block for the current results, from `next` to `end`. Both are null outside of
    /// [`gather`](ResultMemory::gather). Between them and the start of the block lie allocations without gaps.
    next: Cell<*mut u8>,
    end: Cell<*mut u8>,
}

impl ResultMemory {
    const fn new() -> Self {
        Self { is_ours: Cell::new(false), next: Cell::new(ptr::null_mut()), end: Cell::new(ptr::null_mut()) }
    }

    /// Calls a function of the host whose result contains lists or texts. Their memory comes from the SDK's allocator.
    fn lists<R>(&self, call: impl FnOnce() -> R) -> R {
        let before = self.is_ours.replace(true);
        let result = call();
        self.is_ours.set(before);
        result
    }

    /// Calls functions of the host, and puts the memory of their results into one block, as far as it fits. The rest is
    /// allocated separately.
    ///
    /// # Safety
    ///
    /// `call` frees no result, as generated bindings do with lists: the returned block alone owns what lies in it. The
    /// allocator is the global one.
    unsafe fn gather<R>(&self, ours: &impl GlobalAlloc, call: impl FnOnce() -> R) -> (R, Bytes) {
        // SAFETY: the layout has a size, and an alignment that is a power of two.
        let start = unsafe { ours.alloc(Layout::from_size_align_unchecked(BLOCK_BYTES, 1)) };
        if start.is_null() {
            return (self.lists(call), Bytes::new());
        }
        self.next.set(start);
        self.end.set(start.wrapping_add(BLOCK_BYTES));
        let result = self.lists(call);
        let used = self.next.replace(ptr::null_mut()).addr() - start.addr();
        self.end.set(ptr::null_mut());
        // SAFETY: the block was allocated with this layout. The allocations in it are contiguous from its start, and the
        // host has written all of them.
        let block = unsafe { Vec::from_raw_parts(start, used, BLOCK_BYTES) };
        (result, Bytes::from(block))
    }

    /// Allocates memory for a result of the host: `realloc` in the canonical ABI. Returns null if there is none.
    ///
    /// # Safety
    ///
    /// The host calls it as the canonical ABI says: with the result of an earlier call, or with null and 0 as the old size.
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
        // A size of 0 counts as too large. An allocation that would leave a gap before it is separate.
        if size.wrapping_sub(1) < self.end.get().addr() - next.addr() && old.size | next.addr() & (align - 1) == 0 {
            self.next.set(next.wrapping_add(size));
            return next;
        }
        // SAFETY: the promise is the same.
        unsafe { self.realloc_outside(ours, of_c, old, align, size) }
    }

    /// Allocates memory outside of the block.
    ///
    /// # Safety
    ///
    /// As for [`realloc`](ResultMemory::realloc).
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
            // An aligned address that is never read.
            return ptr::without_provenance_mut(align);
        }
        // Allocations never shrink.
        let size = size.max(1);
        // SAFETY: the canonical ABI promises a power of two, and sizes that fit the memory. Both places are at least as
        // long as the copy, and distinct.
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
                        // The host may not have written all of it, and it stays in the block.
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

/// An earlier result of [`ResultMemory::realloc`].
#[derive(Clone, Copy)]
struct Piece {
    start: *mut u8,
    size: usize,
}
