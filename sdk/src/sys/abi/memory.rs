//! The memory of a component.
//!
//! The host puts the lists and texts that it answers with into memory that it gets from `cabi_realloc`. What the SDK asks
//! for comes from the size classes; what anybody else asks for must come from C's `malloc`, because the C library asks
//! for its environment and its directories in this way too, and gives the answers up with `free`.

#![allow(unsafe_code, reason = "this is where the canonical ABI and the allocator get their memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::arch::wasm32;
use std::cell::Cell;
use std::ptr;

use bytes::Bytes;

use crate::allocator::{Below, SizeClasses};

/// Components of this world have one thread, as the allocator needs.
#[global_allocator]
static ALLOCATOR: SizeClasses<Pages> = SizeClasses::new(Pages { owned: [const { Cell::new(0) }; OWNED_WORDS] });

/// The size of a page of WebAssembly memory, and of an arena.
const PAGE_BYTES: usize = 64 * 1024;
/// A bit for each page that a 32-bit memory can have.
const OWNED_WORDS: usize = 65_536 / 32;

/// C's allocator, and arenas that are whole pages of their own.
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

// SAFETY: a page that the memory grows by belongs to whoever grew it; C's allocator grows the memory for itself.
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
    /// Whether what the host asks memory for goes to the SDK.
    static OURS: Cell<bool> = const { Cell::new(false) };
    /// What is left of the piece that the answers at hand are gathered in.
    static LEFT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Calls a function of the host that answers with lists or texts, whose memory then comes from the size classes.
pub(in crate::sys) fn lists<R>(call: impl FnOnce() -> R) -> R {
    let before = OURS.replace(true);
    let answer = call();
    OURS.set(before);
    answer
}

/// How much is gathered in one piece: enough for the head of most messages.
const GATHERED_BYTES: usize = 1024;

/// Calls functions of the host, and has the memory of all that they answer with in one piece, as far as it goes; what
/// has no room there has memory of its own.
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
    // SAFETY: the piece was made for this layout. What was handed out of it lies at its start without a gap, and the host
    // has written all that it asked for.
    let piece = unsafe { Vec::from_raw_parts(start, end - start as usize, GATHERED_BYTES) };
    (answer, Bytes::from(piece))
}

/// Gives the host memory for an answer; what the canonical ABI calls `realloc`.
///
/// # Safety
///
/// The host calls it as the canonical ABI says: with what an earlier call returned, or with nothing.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    let (next, end) = LEFT.get();
    // A size of 0 counts as too large. What would leave a gap before it gets memory of its own.
    if size.wrapping_sub(1) < end - next && old_size | next & (align - 1) == 0 {
        LEFT.set((next + size, end));
        return next as *mut u8;
    }
    // SAFETY: the promise is the same.
    unsafe { realloc(old, old_size, align, size) }
}

/// Memory of its own for an answer.
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
    // Nothing is made smaller than that.
    let size = size.max(1);
    // SAFETY: the canonical ABI promises a power of two, and sizes that fit the memory; both places are as long as what is
    // copied, and distinct.
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
