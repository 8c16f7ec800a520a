//! The memory for results in native tests. The fake host of a test allocates its results here.

use std::alloc::{self, GlobalAlloc, Layout, System};
use std::ptr;

use bytes::Bytes;

use super::{BLOCK_BYTES, Piece, ResultMemory};

thread_local! {
    static RESULTS: ResultMemory = const { ResultMemory::new() };
}

/// The global allocator.
struct Global;

// SAFETY: every method passes its call on to the global allocator, which meets the conditions of the trait.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { alloc::alloc(layout) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { alloc::dealloc(piece, layout) }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { alloc::realloc(piece, layout, size) }
    }
}

pub(in crate::sys) fn lists<R>(call: impl FnOnce() -> R) -> R {
    RESULTS.with(|results| results.lists(call))
}

/// # Safety
///
/// `call` must not free a result that lies in the returned block.
pub(in crate::sys) unsafe fn gather<R>(call: impl FnOnce() -> R) -> (R, Bytes) {
    // SAFETY: the caller makes the same promise, and `Global` is the global allocator.
    RESULTS.with(|results| unsafe { results.gather(&Global, call) })
}

/// Allocates memory for a result of the fake host.
pub(in crate::sys) fn allocate(align: usize, size: usize) -> *mut u8 {
    reallocate(ptr::null_mut(), 0, align, size)
}

/// Makes a result of the fake host larger.
pub(in crate::sys) fn reallocate(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    let old = Piece { start: old, size: old_size };
    // SAFETY: the tests pass results of earlier calls.
    RESULTS.with(|results| unsafe { results.realloc(&Global, &System, old, align, size) })
}

/// Frees a result that lies outside of the block.
fn free(piece: Piece, align: usize) {
    // SAFETY: the result came from the global allocator with this layout.
    unsafe { alloc::dealloc(piece.start, Layout::from_size_align(piece.size, align).unwrap()) }
}

fn piece(align: usize, size: usize, fill: u8) -> Piece {
    let start = allocate(align, size);
    // SAFETY: the allocation has this size.
    unsafe { start.write_bytes(fill, size) };
    Piece { start, size }
}

/// Runs a call whose results are gathered. The call must not free results that lie in the block.
fn gathered<R>(call: impl FnOnce() -> R) -> (R, Bytes) {
    // SAFETY: no test passes a call that frees a result in the block.
    unsafe { gather(call) }
}

#[test]
fn results_lie_in_the_block_without_gaps() {
    let (pieces, block) = gathered(|| [piece(1, 3, b'a'), piece(1, 5, b'b'), piece(8, 8, b'c')]);
    assert_eq!(block, "aaabbbbbcccccccc");
    for (index, offset) in [(0, 0), (1, 3), (2, 8)] {
        assert_eq!(pieces[index].start.addr() - block.as_ptr().addr(), offset);
    }
}

#[test]
fn a_result_that_would_leave_a_gap_is_separate() {
    let (pieces, block) = gathered(|| [piece(1, 3, b'a'), piece(4, 4, b'b'), piece(1, 1, b'c')]);
    assert_eq!(block, "aaac");
    free(pieces[1], 4);
}

#[test]
fn a_result_that_does_not_fit_is_separate() {
    let (pieces, block) = gathered(|| [piece(1, BLOCK_BYTES - 1, b'a'), piece(1, 2, b'b'), piece(1, 1, b'c')]);
    assert_eq!(block.len(), BLOCK_BYTES);
    free(pieces[1], 1);
    let (pieces, block) = gathered(|| [piece(1, BLOCK_BYTES + 1, b'a')]);
    assert!(block.is_empty());
    free(pieces[0], 1);
}

#[test]
fn an_empty_result_is_an_aligned_address_without_memory() {
    let (addresses, block) = gathered(|| [allocate(1, 0).addr(), allocate(8, 0).addr()]);
    assert_eq!((addresses, block.len()), ([1, 8], 0));
}

#[test]
fn a_growing_result_leaves_the_block_with_its_bytes() {
    let (grown, block) = gathered(|| {
        let first = piece(1, 3, b'a');
        let grown = Piece { start: reallocate(first.start, 3, 1, 100), size: 100 };
        piece(1, 2, b'b');
        grown
    });
    assert_eq!(block, "\0\0\0bb");
    // SAFETY: the first three bytes were written.
    assert_eq!(unsafe { std::slice::from_raw_parts(grown.start, 3) }, b"aaa");
    free(grown, 1);
}

#[test]
fn a_separate_result_grows_in_the_allocator_that_it_came_from() {
    let grown = lists(|| {
        let first = piece(4, 8, b'a');
        Piece { start: reallocate(first.start, 8, 4, 5000), size: 5000 }
    });
    // SAFETY: the first eight bytes were written.
    assert_eq!(unsafe { std::slice::from_raw_parts(grown.start, 8) }, b"aaaaaaaa");
    free(grown, 4);
}

#[test]
fn results_of_other_code_come_from_the_allocator_of_c() {
    let first = piece(1, 3, b'a');
    let grown = reallocate(first.start, 3, 1, 10);
    // SAFETY: the first three bytes were written, and the memory came from this allocator with this layout.
    unsafe {
        assert_eq!(std::slice::from_raw_parts(grown, 3), b"aaa");
        System.dealloc(grown, Layout::from_size_align(10, 1).unwrap());
    }
}

#[test]
fn the_block_of_one_call_is_not_used_by_the_next() {
    let (_, first) = gathered(|| piece(1, 4, b'a'));
    let (_, second) = gathered(|| piece(1, 4, b'b'));
    assert_eq!((&first[..], &second[..]), (&b"aaaa"[..], &b"bbbb"[..]));
    let outside = lists(|| piece(1, 4, b'c'));
    free(outside, 1);
    assert_eq!(first, "aaaa");
}
