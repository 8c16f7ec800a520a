//! A memory allocator for components: short-lived, single-threaded, many small pieces.
//!
//! Most of what a request costs a component is memory management: the general allocator of the standard library takes
//! some 250 instructions to hand out a piece and take it back, this one some 60, and for its first piece another 700.
//! Pieces of up to 2048 bytes, which the fields of most requests fit into, come from 128 classes, one for every 16 bytes.
//! Each class keeps a list of its free pieces, and takes new ones from an arena. A freed piece goes back to its class and
//! never to another, so a class holds no more than it held at its busiest moment. Anything larger, or aligned to more than
//! 16 bytes, is left to the allocator below.
//!
//! A piece that came from below, as from C code, may be given up here as well: which of the two it belongs to follows
//! from its address.

#![allow(unsafe_code, reason = "an allocator is unsafe by its nature; each block says why it is sound")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::ptr;

/// The distance between classes, and the alignment of every piece.
const STEP: usize = 16;
/// The largest piece that is handed out from a class.
const LARGEST: usize = 2048;
/// How many classes there are; the first, of nothing, stays empty.
const CLASSES: usize = LARGEST / STEP + 1;
/// The largest piece that is kept for the next of its size.
const LARGEST_SPARE: usize = 64 * 1024;
/// The alignment that the allocator below gives to every piece.
const ALIGN_BELOW: usize = 8;
/// The size of the first arena, which lies in the data of the program.
const FIRST_ARENA: usize = 12 * 1024;

/// The allocator below, and where arenas come from.
///
/// # Safety
///
/// An arena is aligned to 16 bytes, used by nobody else, never given back, and `owns` is true of all addresses in the
/// arenas and of no address that the allocator below hands out.
pub(crate) unsafe trait Below: GlobalAlloc {
    /// A new arena and its size in bytes, a multiple of 16.
    fn arena(&self) -> Option<(*mut u8, usize)>;

    /// Whether an address lies in one of the arenas.
    fn owns(&self, address: usize) -> bool;
}

/// The allocator, over another one.
pub(crate) struct SizeClasses<B> {
    below: B,
    /// The first free piece of each class; each free piece holds the address of the next.
    free: [Cell<*mut u8>; CLASSES],
    /// The part of the arena that has not been handed out.
    next: Cell<*mut u8>,
    left: Cell<usize>,
    first: UnsafeCell<FirstArena>,
    first_used: Cell<bool>,
    /// A piece of the allocator below that was given up, kept because a body goes through pieces of one size.
    spare: Cell<*mut u8>,
    spare_size: Cell<usize>,
}

#[repr(align(16))]
struct FirstArena([u8; FIRST_ARENA]);

impl<B> SizeClasses<B> {
    pub(crate) const fn new(below: B) -> Self {
        Self {
            below,
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

// SAFETY: the only program that shares one is a component, which has a single thread; see `sys/wasip2/memory.rs`.
unsafe impl<B> Sync for SizeClasses<B> {}

/// The class of a piece, if it has one.
#[inline]
const fn class_of(layout: &Layout) -> Option<usize> {
    if layout.size() <= LARGEST && layout.align() <= STEP { Some(layout.size().div_ceil(STEP)) } else { None }
}

impl<B: Below> SizeClasses<B> {
    /// Takes a new piece of a class from the arena.
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

    /// Takes a piece that has no class.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::alloc`].
    #[cold]
    #[inline(never)]
    unsafe fn alloc_below(&self, layout: Layout) -> *mut u8 {
        if layout.size() == self.spare_size.get() && layout.align() <= ALIGN_BELOW {
            self.spare_size.set(0);
            return self.spare.get();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { self.below.alloc(layout) }
    }

    /// Takes back a piece that has no class.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::dealloc`].
    #[cold]
    #[inline(never)]
    unsafe fn dealloc_below(&self, piece: *mut u8, layout: Layout) {
        // A small one was never asked of this allocator, and would not be asked for again.
        let fits = layout.size() > LARGEST && layout.size() <= LARGEST_SPARE && layout.align() <= ALIGN_BELOW;
        if fits && self.spare_size.get() == 0 {
            self.spare.set(piece);
            self.spare_size.set(layout.size());
            return;
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { self.below.dealloc(piece, layout) }
    }

    /// Starts a new arena; what is left of the old one becomes a free piece of its class.
    #[cold]
    #[inline(never)]
    fn refill(&self) -> bool {
        let left = self.left.get();
        if left >= STEP {
            let class = left.min(LARGEST) / STEP;
            // SAFETY: the rest of an arena belongs to nobody, is aligned to STEP, and is as long as its class says.
            unsafe { self.push(class, self.next.get()) };
        }
        self.left.set(0);
        if !self.first_used.replace(true) {
            self.next.set(self.first.get().cast());
            self.left.set(FIRST_ARENA);
            return true;
        }
        let Some((arena, size)) = self.below.arena() else {
            return false;
        };
        self.next.set(arena);
        self.left.set(size);
        true
    }

    /// The class of a piece that was handed out from one, and not by the allocator below.
    #[inline]
    fn class_of_piece(&self, piece: *mut u8, layout: &Layout) -> Option<usize> {
        let class = class_of(layout)?;
        let address = piece as usize;
        let in_first = address.wrapping_sub(self.first.get() as usize) < FIRST_ARENA;
        (in_first || self.below.owns(address)).then_some(class)
    }

    /// Puts a piece at the head of its class's list.
    ///
    /// # Safety
    ///
    /// The piece belongs to nobody else, is aligned to `STEP`, and is at least as long as its class says.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a class is less than CLASSES: nothing else is made of a layout")]
    unsafe fn push(&self, class: usize, piece: *mut u8) {
        let next = self.free[class].replace(piece);
        // SAFETY: a piece has room for an address, and its alignment.
        unsafe { piece.cast::<*mut u8>().write(next) };
    }
}

// SAFETY: a piece is handed out by `alloc` to one owner, is aligned to STEP and as long as its class, and returns to the
// lists by `dealloc` only. Which of the two allocators a piece came from follows from its address, and its class from its
// layout, which callers must hand back unchanged.
unsafe impl<B: Below> GlobalAlloc for SizeClasses<B> {
    // Not inlined: a call costs little beside the work, and a copy at each place of use many bytes of code.
    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "a class is less than CLASSES: nothing else is made of a layout")]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(&layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { self.alloc_below(layout) };
        };
        let piece = self.free[class].get();
        if piece.is_null() {
            return self.carve(class);
        }
        // SAFETY: a piece in a list holds the address of the next one.
        self.free[class].set(unsafe { piece.cast::<*mut u8>().read() });
        piece
    }

    #[inline(never)]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.class_of_piece(piece, &layout) {
            // SAFETY: the caller gives up a piece of this class.
            Some(class) => unsafe { self.push(class, piece) },
            // SAFETY: the caller's promise is passed on.
            None => unsafe { self.dealloc_below(piece, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size, rounded up to the alignment, does not overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (self.class_of_piece(piece, &layout), class_of(&wanted)) {
            (Some(old), Some(new)) if old == new => piece,
            // SAFETY: the caller's promise is passed on.
            (None, None) => unsafe { self.below.realloc(piece, layout, size) },
            // SAFETY: both pieces are at least as long as what is copied, and distinct.
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

    /// Counts what is taken from below.
    #[derive(Default)]
    struct Counted {
        held: Cell<usize>,
        arenas: RefCell<Vec<Range<usize>>>,
    }

    // SAFETY: everything is left to the system's allocator.
    unsafe impl GlobalAlloc for Counted {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            self.held.set(self.held.get() + layout.size());
            // SAFETY: the caller's promise is passed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
            self.held.set(self.held.get() - layout.size());
            // SAFETY: the caller's promise is passed on.
            unsafe { System.dealloc(piece, layout) }
        }
    }

    // SAFETY: arenas come from the same place as other pieces, and are never given back.
    unsafe impl Below for Counted {
        fn arena(&self) -> Option<(*mut u8, usize)> {
            // SAFETY: the layout has a size.
            let arena = unsafe { self.alloc(Layout::from_size_align(ARENA, STEP).unwrap()) };
            self.arenas.borrow_mut().push(arena as usize..arena as usize + ARENA);
            Some((arena, ARENA))
        }

        fn owns(&self, address: usize) -> bool {
            self.arenas.borrow().iter().any(|arena| arena.contains(&address))
        }
    }

    fn allocator() -> SizeClasses<Counted> {
        SizeClasses::new(Counted::default())
    }

    /// Numbers that look random and are the same in every run.
    fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
        move |below| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
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
                // SAFETY: the layout has a size, and the piece is as long as it says.
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
                // SAFETY: the piece was made for this layout and is given up once.
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
                // SAFETY: each piece was made for its layout and is given up once.
                unsafe { allocator.dealloc(piece, layout) };
            }
            let held = allocator.below.held.get();
            assert_eq!(*after_first.get_or_insert(held), held, "in round {round}");
        }
    }

    #[test]
    fn a_freed_piece_is_the_next_of_its_class() {
        let allocator = allocator();
        let layout = Layout::from_size_align(40, 8).unwrap();
        // SAFETY: the layout has a size, and each piece is given up once.
        unsafe {
            let first = allocator.alloc(layout);
            allocator.dealloc(first, layout);
            assert_eq!(allocator.alloc(Layout::from_size_align(33, 1).unwrap()), first);
        }
    }

    #[test]
    fn a_piece_from_below_goes_back_there() {
        let allocator = allocator();
        let layout = Layout::from_size_align(40, 8).unwrap();
        // SAFETY: the layout has a size, and the piece is given up once.
        unsafe {
            let foreign = allocator.below.alloc(layout);
            allocator.dealloc(foreign, layout);
            assert_eq!(allocator.below.held.get(), 0);
            let foreign = allocator.below.alloc(layout);
            foreign.write_bytes(7, 40);
            let grown = allocator.realloc(foreign, layout, 4000);
            assert!(std::slice::from_raw_parts(grown, 40).iter().all(|byte| *byte == 7));
            allocator.dealloc(grown, Layout::from_size_align(4000, 8).unwrap());
            // That one is kept for the next of its size, and no second.
            assert_eq!(allocator.below.held.get(), 4000);
            let other = Layout::from_size_align(5000, 8).unwrap();
            allocator.dealloc(allocator.alloc(other), other);
            assert_eq!(allocator.below.held.get(), 4000);
            assert_eq!(allocator.alloc(Layout::from_size_align(4000, 1).unwrap()), grown);
        }
    }

    #[test]
    fn an_allocator_below_that_has_no_more_is_passed_on() {
        struct Empty;
        // SAFETY: it hands out nothing.
        unsafe impl GlobalAlloc for Empty {
            unsafe fn alloc(&self, _: Layout) -> *mut u8 {
                ptr::null_mut()
            }
            unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
        }
        // SAFETY: it has no arenas.
        unsafe impl Below for Empty {
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
