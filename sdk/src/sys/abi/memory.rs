//! The memory of a component.
//!
//! The host allocates memory for lists and texts with `cabi_realloc`. Results of the SDK's calls come from its
//! allocator. Results of other calls must come from C's `malloc`: the C library reads its environment and its
//! directories through this function too, and frees them with `free`.

#![allow(unsafe_code, reason = "this is where the canonical ABI and the allocator get their memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::arch::wasm32;
use std::cell::Cell;
use std::ptr;

use bytes::Bytes;

use crate::allocator::{Below, SizeClasses};

/// Components have one thread, as the allocator requires.
#[global_allocator]
static ALLOCATOR: SizeClasses<Pages> = SizeClasses::new(Pages { owned: [const { Cell::new(0) }; OWNED_WORDS] });

/// The size of a page of WebAssembly memory, and of an arena.
const PAGE_BYTES: usize = 64 * 1024;
/// A bit for each page of a 32-bit memory.
const OWNED_WORDS: usize = 65_536 / 32;

/// C's allocator, and arenas that are whole pages.
struct Pages {
    owned: [Cell<u32>; OWNED_WORDS],
}

// SAFETY: everything is left to C's allocator.
unsafe impl GlobalAlloc for Pages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(piece, layout) }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(piece, layout, size) }
    }
}

// SAFETY: new pages belong to the caller that grew the memory; C's allocator grows the memory for itself.
unsafe impl Below for Pages {
    #[cold]
    #[expect(clippy::indexing_slicing, reason = "there is a word for each page that there can be")]
    fn arena(&self) -> Option<(*mut u8, usize)> {
        let page = wasm32::memory_grow::<0>(1);
        if page == usize::MAX {
            return None;
        }
        let word = &self.owned[page / 32];
        word.set(word.get() | 1 << (page % 32));
        Some(((page * PAGE_BYTES) as *mut u8, PAGE_BYTES))
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "there is a word for each page that there can be")]
    fn owns(&self, address: usize) -> bool {
        let page = address / PAGE_BYTES;
        self.owned[page / 32].get() >> (page % 32) & 1 == 1
    }
}

thread_local! {
    /// Whether results of the host come from the SDK's allocator.
    static OURS: Cell<bool> = const { Cell::new(false) };
    /// The free part of the block for the current results: its next address and its end.
    static LEFT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Calls a function of the host whose result contains lists or texts. Their memory comes from the SDK's allocator.
pub(in crate::sys) fn lists<R>(call: impl FnOnce() -> R) -> R {
    let before = OURS.replace(true);
    let answer = call();
    OURS.set(before);
    answer
}

/// The size of the block in bytes: enough for the head of most messages.
const GATHERED_BYTES: usize = 1024;

/// Calls functions of the host, and puts the memory of their results into one block, as far as it fits. The rest is
/// allocated separately.
///
/// # Safety
///
/// Nothing in `call` gives an answer up, as generated bindings do with lists: the piece alone owns what lies in it.
pub(in crate::sys) unsafe fn gather<R>(call: impl FnOnce() -> R) -> (R, Bytes) {
    // SAFETY: the layout has a size, and an alignment that is a power of two.
    let start = unsafe { ALLOCATOR.alloc(Layout::from_size_align_unchecked(GATHERED_BYTES, 1)) };
    if start.is_null() {
        return (lists(call), Bytes::new());
    }
    LEFT.set((start as usize, start as usize + GATHERED_BYTES));
    let answer = lists(call);
    let (end, _) = LEFT.replace((0, 0));
    // SAFETY: the block was allocated with this layout. The allocations in it are contiguous from its start, and the
    // host has written all of them.
    let piece = unsafe { Vec::from_raw_parts(start, end - start as usize, GATHERED_BYTES) };
    (answer, Bytes::from(piece))
}

/// Allocates memory for a result of the host: `realloc` in the canonical ABI.
///
/// # Safety
///
/// The host calls it as the canonical ABI says: with the result of an earlier call, or with null.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    let (next, end) = LEFT.get();
    // A size of 0 counts as too large. An allocation that would leave a gap before it is separate.
    if size.wrapping_sub(1) < end - next && old_size | next & (align - 1) == 0 {
        LEFT.set((next + size, end));
        return next as *mut u8;
    }
    // SAFETY: the promise is the same.
    unsafe { realloc(old, old_size, align, size) }
}

/// Allocates memory outside of the block.
///
/// # Safety
///
/// As for [`cabi_realloc`].
#[inline(never)]
unsafe fn realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 && old_size == 0 {
        // An aligned address that is never read.
        return align as *mut u8;
    }
    // Allocations never shrink.
    let size = size.max(1);
    // SAFETY: the canonical ABI promises a power of two, and sizes that fit the memory. Both places are at least as
    // long as the copy, and distinct.
    let answer = unsafe {
        let (old_layout, layout) =
            (Layout::from_size_align_unchecked(old_size, align), Layout::from_size_align_unchecked(size, align));
        let (_, end) = LEFT.get();
        let is_gathered =
            old_size > 0 && (old as usize).wrapping_sub(end.wrapping_sub(GATHERED_BYTES)) < GATHERED_BYTES;
        match (old_size, OURS.get()) {
            (0, true) => ALLOCATOR.alloc(layout),
            (0, false) => System.alloc(layout),
            (_, true) if is_gathered => {
                let moved = ALLOCATOR.alloc(layout);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(old, moved, old_size.min(size));
                    // The host may not have written all of it.
                    old.write_bytes(0, old_size);
                }
                moved
            }
            (_, true) => ALLOCATOR.realloc(old, old_layout, size),
            (_, false) => System.realloc(old, old_layout, size),
        }
    };
    if answer.is_null() {
        wasm32::unreachable();
    }
    answer
}
