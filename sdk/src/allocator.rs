//! A memory allocator for components, which make many small, short-lived allocations on one thread.
//!
//! Memory management is most of a request's cost. The allocator of the standard library takes about 250 instructions
//! for an allocation and its release, and another 700 for the first; this one takes about 60. Allocations of up to 2048
//! bytes, which covers the headers of most requests, come from 128 size classes in steps of 16 bytes. Each class keeps a
//! list of free blocks and takes new blocks from an arena. A freed block returns to its class, so a class never holds
//! more memory than at its peak. Larger allocations, and those aligned to more than 16 bytes, go to the underlying
//! allocator.
//!
//! A block from the underlying allocator, for example from C code, may be freed here too: the address of a block shows
//! which allocator it came from.

#![allow(unsafe_code, reason = "an allocator needs unsafe code; each block says why it is sound")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::ptr;

/// The distance between size classes, and the alignment of every block.
const STEP: usize = 16;
/// The size of the largest block of a size class.
const LARGEST: usize = 2048;
/// The number of classes; the first, for zero bytes, stays empty.
const CLASSES: usize = LARGEST / STEP + 1;
/// The size of the largest block that is kept for the next allocation of the same size.
const LARGEST_SPARE: usize = 64 * 1024;
/// The alignment of every block from the underlying allocator.
const UNDERLYING_ALIGN: usize = 8;
/// The size of the first arena, which is part of the static data of the program.
const FIRST_ARENA: usize = 12 * 1024;

/// The underlying allocator, and the source of arenas.
///
/// # Safety
///
/// An arena is aligned to 16 bytes, not used by other code, and never released. `owns` is true for all addresses in the
/// arenas and false for all blocks that the underlying allocator returns.
pub(crate) unsafe trait Underlying: GlobalAlloc {
    /// Returns a new arena and its size in bytes, a multiple of 16.
    fn arena(&self) -> Option<(*mut u8, usize)>;

    /// Whether an address is in one of the arenas.
    fn owns(&self, address: usize) -> bool;
}

/// An allocator with size classes on top of an underlying allocator.
pub(crate) struct SizeClasses<U> {
    underlying: U,
    /// The first free block of each class. A free block contains the address of the next.
    free: [Cell<*mut u8>; CLASSES],
    /// The unused part of the arena.
    next: Cell<*mut u8>,
    left: Cell<usize>,
    first: UnsafeCell<FirstArena>,
    first_used: Cell<bool>,
    /// A freed block of the underlying allocator, kept because bodies allocate the same size repeatedly.
    spare: Cell<*mut u8>,
    spare_size: Cell<usize>,
}

#[repr(align(16))]
struct FirstArena([u8; FIRST_ARENA]);

impl<U> SizeClasses<U> {
    pub(crate) const fn new(underlying: U) -> Self {
        Self {
            underlying,
            free: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            next: Cell::new(ptr::null_mut()),
            left: Cell::new(0),
            first: UnsafeCell::new(FirstArena([0; FIRST_ARENA])),
            first_used: Cell::new(false),
            spare: Cell::new(ptr::null_mut()),
            spare_size: Cell::new(0),
        }
    }
}

// SAFETY: only components share one, and they have a single thread; see `sys/abi/memory.rs`.
unsafe impl<U> Sync for SizeClasses<U> {}

/// Returns the size class of a layout. Returns `None` if it needs the underlying allocator.
#[inline]
const fn class_of(layout: &Layout) -> Option<usize> {
    if layout.size() <= LARGEST && layout.align() <= STEP { Some(layout.size().div_ceil(STEP)) } else { None }
}

impl<U: Underlying> SizeClasses<U> {
    /// Takes a new block of a class from the arena.
    #[inline]
    fn carve(&self, class: usize) -> *mut u8 {
        let size = class * STEP;
        if self.left.get() < size && !self.refill() {
            return ptr::null_mut();
        }
        let piece = self.next.get();
        // SAFETY: `left` is at least `size`, so the new address is within the arena or one past its end.
        self.next.set(unsafe { piece.add(size) });
        self.left.set(self.left.get() - size);
        piece
    }

    /// Allocates a block without a size class.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::alloc`].
    #[cold]
    #[inline(never)]
    unsafe fn alloc_underlying(&self, layout: Layout) -> *mut u8 {
        if layout.size() == self.spare_size.get() && layout.align() <= UNDERLYING_ALIGN {
            self.spare_size.set(0);
            return self.spare.get();
        }
        // SAFETY: the caller upholds the same contract.
        unsafe { self.underlying.alloc(layout) }
    }

    /// Frees a block without a size class.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::dealloc`].
    #[cold]
    #[inline(never)]
    unsafe fn dealloc_underlying(&self, piece: *mut u8, layout: Layout) {
        // A small block here is foreign. It would stay the spare forever, because its size comes from a size class.
        let fits = layout.size() > LARGEST && layout.size() <= LARGEST_SPARE && layout.align() <= UNDERLYING_ALIGN;
        if fits && self.spare_size.get() == 0 {
            self.spare.set(piece);
            self.spare_size.set(layout.size());
            return;
        }
        // SAFETY: the caller upholds the same contract.
        unsafe { self.underlying.dealloc(piece, layout) }
    }

    /// Starts a new arena. The rest of the old one becomes a free block of its class.
    #[cold]
    #[inline(never)]
    fn refill(&self) -> bool {
        let left = self.left.get();
        if left >= STEP {
            let class = left.min(LARGEST) / STEP;
            // SAFETY: the rest of the arena is unused, aligned to STEP, and as long as its class says.
            unsafe { self.push(class, self.next.get()) };
        }
        self.left.set(0);
        if !self.first_used.replace(true) {
            self.next.set(self.first.get().cast());
            self.left.set(FIRST_ARENA);
            return true;
        }
        let Some((arena, size)) = self.underlying.arena() else {
            return false;
        };
        self.next.set(arena);
        self.left.set(size);
        true
    }

    /// Returns the class of a block. Returns `None` if the block came from the underlying allocator.
    #[inline]
    fn class_of_piece(&self, piece: *mut u8, layout: &Layout) -> Option<usize> {
        let class = class_of(layout)?;
        let address = piece as usize;
        let in_first = address.wrapping_sub(self.first.get() as usize) < FIRST_ARENA;
        (in_first || self.underlying.owns(address)).then_some(class)
    }

    /// Puts a block at the head of its class's list.
    ///
    /// # Safety
    ///
    /// The block is unused, aligned to `STEP`, and at least as long as its class says.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "each class is at most LARGEST / STEP, so less than CLASSES")]
    unsafe fn push(&self, class: usize, piece: *mut u8) {
        let next = self.free[class].replace(piece);
        // SAFETY: the size and the alignment of a block suffice for an address.
        unsafe { piece.cast::<*mut u8>().write(next) };
    }
}

// SAFETY: `alloc` gives a block to one owner, aligned to STEP and as long as its class, and only `dealloc` returns it
// to the lists. The address of a block shows which allocator it came from. Its layout, which callers must pass
// unchanged, shows its class.
unsafe impl<U: Underlying> GlobalAlloc for SizeClasses<U> {
    // Not inlined, to keep components small: the call is cheap compared with the work.
    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "each class is at most LARGEST / STEP, so less than CLASSES")]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(&layout) else {
            // SAFETY: the caller upholds the same contract.
            return unsafe { self.alloc_underlying(layout) };
        };
        let piece = self.free[class].get();
        if piece.is_null() {
            return self.carve(class);
        }
        // SAFETY: a block in a list contains the address of the next one.
        self.free[class].set(unsafe { piece.cast::<*mut u8>().read() });
        piece
    }

    #[inline(never)]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.class_of_piece(piece, &layout) {
            // SAFETY: the caller frees a block of this class.
            Some(class) => unsafe { self.push(class, piece) },
            // SAFETY: the caller upholds the same contract.
            None => unsafe { self.dealloc_underlying(piece, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size, rounded up to the alignment, does not overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (self.class_of_piece(piece, &layout), class_of(&wanted)) {
            (Some(old), Some(new)) if old == new => piece,
            // SAFETY: the caller upholds the same contract.
            (None, None) => unsafe { self.underlying.realloc(piece, layout, size) },
            // SAFETY: both blocks are at least as long as the copy, and distinct.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(piece, moved, layout.size().min(size));
                    self.dealloc(piece, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::ops::Range;

    use super::*;

    const ARENA: usize = 16 * 1024;

    /// The system's allocator. Records the allocated blocks, and frees the remaining blocks on drop.
    #[derive(Default)]
    struct Counted {
        held: RefCell<BTreeMap<usize, Layout>>,
        arenas: RefCell<Vec<Range<usize>>>,
    }

    impl Counted {
        fn held_bytes(&self) -> usize {
            self.held.borrow().values().map(Layout::size).sum()
        }
    }

    // SAFETY: the system's allocator does all the work.
    unsafe impl GlobalAlloc for Counted {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller upholds the same contract.
            let piece = unsafe { System.alloc(layout) };
            self.held.borrow_mut().insert(piece.expose_provenance(), layout);
            piece
        }

        unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
            // Alignments may differ, as with C's allocator.
            assert_eq!(self.held.borrow_mut().remove(&piece.addr()).map(|held| held.size()), Some(layout.size()));
            // SAFETY: the caller upholds the same contract.
            unsafe { System.dealloc(piece, layout) }
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            for (address, layout) in self.held.take() {
                // SAFETY: it was allocated with this layout and is not freed yet.
                unsafe { System.dealloc(ptr::with_exposed_provenance_mut(address), layout) }
            }
        }
    }

    // SAFETY: arenas are aligned blocks of the system's allocator, and are released only when this allocator is dropped.
    unsafe impl Underlying for Counted {
        fn arena(&self) -> Option<(*mut u8, usize)> {
            // SAFETY: the layout has a size.
            let arena = unsafe { self.alloc(Layout::from_size_align(ARENA, STEP).unwrap()) };
            self.arenas.borrow_mut().push(arena.addr()..arena.addr() + ARENA);
            Some((arena, ARENA))
        }

        fn owns(&self, address: usize) -> bool {
            self.arenas.borrow().iter().any(|arena| arena.contains(&address))
        }
    }

    fn allocator() -> SizeClasses<Counted> {
        SizeClasses::new(Counted::default())
    }

    /// Returns a pseudo-random number generator with a fixed sequence.
    fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
        move |limit| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % limit
        }
    }

    #[test]
    fn pieces_never_overlap_and_keep_what_is_written() {
        let allocator = allocator();
        let mut random = numbers(1);
        let mut held: BTreeMap<usize, (Layout, u8)> = BTreeMap::new();
        for round in 0..100_000 {
            if random(100) < 55 {
                let layout = Layout::from_size_align(1 + random(3200), 1 << random(6)).unwrap();
                let mark = round as u8;
                // SAFETY: the layout has a size, and the block is as long as it says.
                let piece = unsafe {
                    let piece = allocator.alloc(layout);
                    piece.write_bytes(mark, layout.size());
                    piece as usize
                };
                assert_eq!(piece % layout.align(), 0);
                let before = held.range(..piece).next_back();
                assert!(before.is_none_or(|(start, (layout, _))| start + layout.size() <= piece));
                assert!(held.range(piece..).next().is_none_or(|(start, _)| piece + layout.size() <= *start));
                held.insert(piece, (layout, mark));
            } else if let Some((&piece, &(layout, mark))) =
                held.range(random(usize::MAX)..).next().or(held.iter().next())
            {
                held.remove(&piece);
                let wanted = 1 + random(3200);
                // SAFETY: the block was allocated with this layout and is freed once.
                unsafe {
                    let moved = allocator.realloc(piece as *mut u8, layout, wanted);
                    let kept = std::slice::from_raw_parts(moved, layout.size().min(wanted));
                    assert!(kept.iter().all(|byte| *byte == mark));
                    allocator.dealloc(moved, Layout::from_size_align(wanted, layout.align()).unwrap());
                }
            }
        }
        for (piece, (layout, _)) in held {
            // SAFETY: as above.
            unsafe { allocator.dealloc(piece as *mut u8, layout) };
        }
    }

    #[test]
    fn memory_stays_flat_over_many_rounds() {
        let allocator = allocator();
        let mut after_first = None;
        for round in 0..1000 {
            let mut random = numbers(7);
            let pieces: Vec<_> = (0..200)
                .map(|_| {
                    let layout = Layout::from_size_align(1 + random(1100), 8).unwrap();
                    // SAFETY: the layout has a size.
                    (unsafe { allocator.alloc(layout) }, layout)
                })
                .collect();
            for (piece, layout) in pieces {
                // SAFETY: each block was allocated with its layout and is freed once.
                unsafe { allocator.dealloc(piece, layout) };
            }
            let held = allocator.underlying.held_bytes();
            assert_eq!(*after_first.get_or_insert(held), held, "in round {round}");
        }
    }

    #[test]
    fn a_freed_piece_is_the_next_of_its_class() {
        let allocator = allocator();
        let layout = Layout::from_size_align(40, 8).unwrap();
        // SAFETY: the layout has a size, and each block is freed once.
        unsafe {
            let first = allocator.alloc(layout);
            allocator.dealloc(first, layout);
            assert_eq!(allocator.alloc(Layout::from_size_align(33, 1).unwrap()), first);
        }
    }

    #[test]
    fn a_block_of_the_underlying_allocator_returns_to_it() {
        let allocator = allocator();
        let layout = Layout::from_size_align(40, 8).unwrap();
        // SAFETY: the layout has a size, and the block is freed once.
        unsafe {
            let foreign = allocator.underlying.alloc(layout);
            allocator.dealloc(foreign, layout);
            assert_eq!(allocator.underlying.held_bytes(), 0);
            let foreign = allocator.underlying.alloc(layout);
            foreign.write_bytes(7, 40);
            let grown = allocator.realloc(foreign, layout, 4000);
            assert!(std::slice::from_raw_parts(grown, 40).iter().all(|byte| *byte == 7));
            allocator.dealloc(grown, Layout::from_size_align(4000, 8).unwrap());
            // Only one block is kept for the next allocation of its size.
            assert_eq!(allocator.underlying.held_bytes(), 4000);
            let other = Layout::from_size_align(5000, 8).unwrap();
            allocator.dealloc(allocator.alloc(other), other);
            assert_eq!(allocator.underlying.held_bytes(), 4000);
            assert_eq!(allocator.alloc(Layout::from_size_align(4000, 1).unwrap()), grown);
        }
    }

    #[test]
    fn an_exhausted_underlying_allocator_yields_null() {
        struct Empty;
        // SAFETY: it allocates nothing.
        unsafe impl GlobalAlloc for Empty {
            unsafe fn alloc(&self, _: Layout) -> *mut u8 {
                ptr::null_mut()
            }
            unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
        }
        // SAFETY: it has no arenas.
        unsafe impl Underlying for Empty {
            fn arena(&self) -> Option<(*mut u8, usize)> {
                None
            }
            fn owns(&self, _: usize) -> bool {
                false
            }
        }
        let allocator = SizeClasses::new(Empty);
        let layout = Layout::from_size_align(LARGEST, STEP).unwrap();
        // SAFETY: the layout has a size.
        let handed_out = (0..100).take_while(|_| !unsafe { allocator.alloc(layout) }.is_null()).count();
        assert_eq!(handed_out, FIRST_ARENA / LARGEST);
    }
}
