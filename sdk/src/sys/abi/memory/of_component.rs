//! The global allocator of a component, and its memory for results of the host.

use std::alloc::{GlobalAlloc, Layout, System};
use std::arch::wasm32;
use std::cell::Cell;

use bytes::Bytes;

use super::{Piece, ResultMemory};
use crate::allocator::{SizeClasses, Underlying};

/// Components have one thread, as the allocator requires.
#[global_allocator]
static ALLOCATOR: SizeClasses<Pages> = SizeClasses::new(Pages { owned: [const { Cell::new(0) }; OWNED_WORDS] });

/// The size of a page of WebAssembly memory, and of an arena.
const PAGE_BYTES: usize = 64 * 1024;
/// The number of words that contain a bit for each page of a 32-bit memory.
const OWNED_WORDS: usize = 65_536 / 32;

/// The allocator below the size classes: C's allocator for blocks, and new pages of memory as arenas.
struct Pages {
    /// A bit for each page of the memory, which is 1 if the page is an arena.
    owned: [Cell<u32>; OWNED_WORDS],
}

// SAFETY: every method passes its call on to C's allocator, which meets the conditions of the trait.
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

// SAFETY: a new page belongs to the code that grew the memory. C's allocator grows the memory for its own pages, so
// it never uses an arena.
unsafe impl Underlying for Pages {
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
    static RESULTS: ResultMemory = const { ResultMemory::new() };
}

/// Calls a function of the host whose result contains lists or strings. Their memory comes from the SDK's allocator.
pub(in crate::sys) fn lists<R>(call: impl FnOnce() -> R) -> R {
    RESULTS.with(|results| results.lists(call))
}

/// Calls functions of the host, and puts their results into one block. Results that do not fit into the block are
/// allocated separately.
///
/// # Safety
///
/// `call` must not free the results (as generated bindings do with lists), because the returned block alone owns the
/// results in it.
pub(in crate::sys) unsafe fn gather<R>(call: impl FnOnce() -> R) -> (R, Bytes) {
    // SAFETY: the caller makes the same promise, and `ALLOCATOR` is the global allocator.
    RESULTS.with(|results| unsafe { results.gather(&ALLOCATOR, call) })
}

/// Allocates memory for a result of the host: `realloc` in the canonical ABI.
///
/// # Safety
///
/// The host must call this function as the canonical ABI says: with the result of an earlier call, or with null.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    let old = Piece { start: old, size: old_size };
    // SAFETY: `ResultMemory::realloc` has the same conditions as this function.
    let memory = RESULTS.with(|results| unsafe { results.realloc(&ALLOCATOR, &System, old, align, size) });
    if memory.is_null() {
        wasm32::unreachable();
    }
    memory
}
