//! The waker of the future that an instance runs.

#![allow(unsafe_code, reason = "a waker without memory of its own has no other constructor")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::sys::executor::blocking::Root;
use crate::sys::executor::nested;

/// Whether the future was woken. An instance runs one at a time, so that there is one such note.
static WOKEN: AtomicBool = AtomicBool::new(false);

const RAW: RawWaker = RawWaker::new(std::ptr::null(), &RawWakerVTable::new(|_| RAW, |_| wake(), |_| wake(), |_| ()));

fn wake() {
    WOKEN.store(true, Ordering::Relaxed);
    nested::count_wake();
}

/// The only future that runs, but for those that were spawned.
pub(super) struct TheOnly;

impl TheOnly {
    pub(super) fn new() -> Self {
        WOKEN.store(false, Ordering::Relaxed);
        Self
    }
}

impl Root for TheOnly {
    fn waker(&self) -> Waker {
        // SAFETY: the functions use nothing but a static, from any thread and as often as they are called.
        unsafe { Waker::from_raw(RAW) }
    }

    fn take_woken(&self) -> bool {
        WOKEN.swap(false, Ordering::Relaxed)
    }
}

impl Drop for TheOnly {
    fn drop(&mut self) {
        // Where one was run within another, the other looks once whether it was meant.
        WOKEN.store(true, Ordering::Relaxed);
    }
}
