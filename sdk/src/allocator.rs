//! A memory allocator for components, which make many small, short-lived allocations on one thread.
//!
//! Memory management is most of the CPU time of a request. The allocator of the standard library needs about 250
//! instructions for an allocation and its release, and 700 more for the first allocation. This allocator needs about
//! 60. Allocations of up to 2048 bytes, enough for the headers of most requests, come from 128 size classes, whose
//! sizes are multiples of 16 bytes. Each class keeps a list of free blocks and takes new blocks from an arena. A
//! freed block returns to its class, so a class takes a new block only if more of its blocks are in use than ever
//! before. Larger allocations, and those aligned to more than 16 bytes, go to the underlying allocator.
//!
//! This allocator also frees blocks that other code, such as C code, has taken from the underlying allocator: the
//! address of a block shows which allocator it came from.

#![allow(unsafe_code, reason = "an allocator needs unsafe code; each block says why it is sound")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::ptr;

/// The difference in size between neighbouring classes, and the alignment of every block.
const STEP: usize = 16;
/// The size of the blocks in the largest size class.
const LARGEST: usize = 2048;
/// The number of size classes. The first class, for zero bytes, is never used.
const CLASSES: usize = LARGEST / STEP + 1;
/// The maximum size of a freed block that is kept for the next allocation of the same size.
const LARGEST_SPARE: usize = 64 * 1024;
/// The alignment of every block from the underlying allocator.
const UNDERLYING_ALIGN: usize = 8;
/// The size of the first arena, which is part of the static data of the program.
const FIRST_ARENA: usize = 12 * 1024;

/// The underlying allocator. It also supplies arenas: memory from which the size classes take new blocks.
///
/// # Safety
///
/// An arena must be aligned to 16 bytes. No other code may use it, and it must never be released. `owns` must return
/// true for all addresses in the arenas, and false for all blocks that the underlying allocator returns.
pub(crate) unsafe trait Underlying: GlobalAlloc {
    /// Returns the address of a new arena and its size in bytes, a multiple of 16.
    fn arena(&self) -> Option<(*mut u8, usize)>;

    /// Whether an address is in one of the arenas.
    fn owns(&self, address: usize) -> bool;
}

/// An allocator with size classes on top of an underlying allocator.
pub(crate) struct SizeClasses<U> {
    underlying: U,
    /// The first free block of each class. A free block contains the address of the next free block.
    free: [Cell<*mut u8>; CLASSES],
    /// The unused part of the current arena: it starts at `next` and is `left` bytes long.
    next: Cell<*mut u8>,
    left: Cell<usize>,
    first: UnsafeCell<FirstArena>,
    first_used: Cell<bool>,
    /// A freed block of the underlying allocator, unless `spare_size` is 0. It is kept because the code for message
    /// bodies allocates blocks of the same size again and again.
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

// SAFETY: the only `SizeClasses` in a `static` is the global allocator of a component, and a component has a single
// thread; see `sys/abi/memory/of_component.rs`.
unsafe impl<U> Sync for SizeClasses<U> {}

/// Returns the size class of a layout, or `None` if the underlying allocator must serve the layout.
#[inline]
const fn class_of(layout: &Layout) -> Option<usize> {
    if layout.size() <= LARGEST && layout.align() <= STEP { Some(layout.size().div_ceil(STEP)) } else { None }
}

impl<U: Underlying> SizeClasses<U> {
    /// Takes a new block for a class from the arena. Returns null if no memory is left.
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

    /// Allocates a block for a layout that has no size class.
    ///
    /// # Safety
    ///
    /// The conditions of [`GlobalAlloc::alloc`] apply.
    #[cold]
    #[inline(never)]
    unsafe fn alloc_underlying(&self, layout: Layout) -> *mut u8 {
        if layout.size() == self.spare_size.get() && layout.align() <= UNDERLYING_ALIGN {
            self.spare_size.set(0);
            return self.spare.get();
        }
        // SAFETY: the caller meets the conditions of `GlobalAlloc::alloc`.
        unsafe { self.underlying.alloc(layout) }
    }

    /// Frees a block of the underlying allocator, or keeps it as the spare block.
    ///
    /// # Safety
    ///
    /// The conditions of [`GlobalAlloc::dealloc`] apply.
    #[cold]
    #[inline(never)]
    unsafe fn dealloc_underlying(&self, piece: *mut u8, layout: Layout) {
        // A small block here was allocated by other code, such as C code. It would stay the spare block forever,
        // because this allocator serves small sizes from the size classes.
        let fits = layout.size() > LARGEST && layout.size() <= LARGEST_SPARE && layout.align() <= UNDERLYING_ALIGN;
        if fits && self.spare_size.get() == 0 {
            self.spare.set(piece);
            self.spare_size.set(layout.size());
            return;
        }
        // SAFETY: the block came from the underlying allocator, and the caller frees it once and with its size.
        unsafe { self.underlying.dealloc(piece, layout) }
    }

    /// Starts a new arena, and returns whether there was one. The unused rest of the old arena becomes a free block.
    #[cold]
    #[inline(never)]
    fn refill(&self) -> bool {
        let left = self.left.get();
        if left >= STEP {
            let class = left.min(LARGEST) / STEP;
            // SAFETY: the rest of the arena is unused, aligned to STEP, and at least as long as the blocks of
            // `class`.
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

    /// Returns the size class of a block, or `None` if the block came from the underlying allocator.
    #[inline]
    fn class_of_piece(&self, piece: *mut u8, layout: &Layout) -> Option<usize> {
        let class = class_of(layout)?;
        let address = piece as usize;
        let in_first = address.wrapping_sub(self.first.get() as usize) < FIRST_ARENA;
        (in_first || self.underlying.owns(address)).then_some(class)
    }

    /// Puts a block at the head of the list of free blocks of a class.
    ///
    /// # Safety
    ///
    /// The block must be unused, aligned to `STEP`, and at least as long as the blocks of `class`.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "each class is at most LARGEST / STEP, so less than CLASSES")]
    unsafe fn push(&self, class: usize, piece: *mut u8) {
        let next = self.free[class].replace(piece);
        // SAFETY: the block is unused, and its size and alignment suffice for an address.
        unsafe { piece.cast::<*mut u8>().write(next) };
    }
}

// SAFETY: `alloc` gives a block to one owner, and only `dealloc` returns it to the list of free blocks, so allocated
// blocks never overlap. Each block is aligned to STEP and at least as long as its layout says. `dealloc` learns from
// the address of a block which allocator it came from, and from its layout, which callers must pass unchanged, its
// class.
unsafe impl<U: Underlying> GlobalAlloc for SizeClasses<U> {
    // Not inlined, to keep components small: the call costs little compared with the allocation.
    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "each class is at most LARGEST / STEP, so less than CLASSES")]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(&layout) else {
            // SAFETY: `alloc_underlying` has the same conditions as this function, and the caller meets them.
            return unsafe { self.alloc_underlying(layout) };
        };
        let piece = self.free[class].get();
        if piece.is_null() {
            return self.carve(class);
        }
        // SAFETY: `push` has written the address of the next free block, or null, into each block of a list.
        self.free[class].set(unsafe { piece.cast::<*mut u8>().read() });
        piece
    }

    #[inline(never)]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.class_of_piece(piece, &layout) {
            // SAFETY: the block came from an arena, so it is aligned to STEP and as long as its class says. The
            // caller no longer uses it.
            Some(class) => unsafe { self.push(class, piece) },
            // SAFETY: `dealloc_underlying` has the same conditions as this function, and the block is not from an
            // arena.
            None => unsafe { self.dealloc_underlying(piece, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size, rounded up to the alignment, does not overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (self.class_of_piece(piece, &layout), class_of(&wanted)) {
            (Some(old), Some(new)) if old == new => piece,
            // SAFETY: the block came from the underlying allocator, and the caller meets the conditions of `realloc`.
            (None, None) => unsafe { self.underlying.realloc(piece, layout, size) },
            // SAFETY: the new block is distinct from the old one, both are at least as long as the copy, and the old
            // one is freed once.
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

    /// The system's allocator, with a record of the allocated blocks. On drop, it frees all blocks that are still
    /// allocated.
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

    // SAFETY: every method passes its call on to the system's allocator, which meets the conditions of the trait.
    unsafe impl GlobalAlloc for Counted {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: `System` has the same conditions as this function, and the caller meets them.
            let piece = unsafe { System.alloc(layout) };
            self.held.borrow_mut().insert(piece.expose_provenance(), layout);
            piece
        }

        unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
            // Only the sizes must be equal: a block may be freed with another alignment, because C's allocator allows
            // it.
            assert_eq!(self.held.borrow_mut().remove(&piece.addr()).map(|held| held.size()), Some(layout.size()));
            // SAFETY: `System` has the same conditions as this function, and the caller meets them.
            unsafe { System.dealloc(piece, layout) }
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            for (address, layout) in self.held.take() {
                // SAFETY: the block was allocated with a layout of this size and has not been freed.
                unsafe { System.dealloc(ptr::with_exposed_provenance_mut(address), layout) }
            }
        }
    }

    // SAFETY: arenas are aligned blocks of the system's allocator, and are released only when this allocator is
    // dropped.
    unsafe impl Underlying for Counted {
        fn arena(&self) -> Option<(*mut u8, usize)> {
            // SAFETY: the size of the layout is not zero.
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
                // SAFETY: the size of the layout is not zero, and the block is as long as its layout says.
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
            // SAFETY: the block was allocated with this layout and is freed once.
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
                    // SAFETY: the size of the layout is not zero.
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
        // SAFETY: the size of the layout is not zero, and each block is freed once.
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
        // SAFETY: the sizes of the layouts are not zero, and each block is freed once.
        unsafe {
            let foreign = allocator.underlying.alloc(layout);
            allocator.dealloc(foreign, layout);
            assert_eq!(allocator.underlying.held_bytes(), 0);
            let foreign = allocator.underlying.alloc(layout);
            foreign.write_bytes(7, 40);
            let grown = allocator.realloc(foreign, layout, 4000);
            assert!(std::slice::from_raw_parts(grown, 40).iter().all(|byte| *byte == 7));
            allocator.dealloc(grown, Layout::from_size_align(4000, 8).unwrap());
            // The freed block is kept as the spare block. Meanwhile, no second freed block is kept.
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
        // SAFETY: `alloc` always returns null, which stands for a failed allocation.
        unsafe impl GlobalAlloc for Empty {
            unsafe fn alloc(&self, _: Layout) -> *mut u8 {
                ptr::null_mut()
            }
            unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
        }
        // SAFETY: there are no arenas, so `owns` is false for every address.
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
        // SAFETY: the size of the layout is not zero.
        let handed_out = (0..100).take_while(|_| !unsafe { allocator.alloc(layout) }.is_null()).count();
        assert_eq!(handed_out, FIRST_ARENA / LARGEST);
    }
}
