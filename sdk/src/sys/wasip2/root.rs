//! The waker of the main future.

#![allow(unsafe_code, reason = "a waker without memory of its own has no other constructor")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::sys::executor::blocking::Root;
use crate::sys::executor::nested;

/// Whether the main future has been woken. An instance runs one main future at a time, so one flag is enough.
static WOKEN: AtomicBool = AtomicBool::new(false);

const RAW: RawWaker = RawWaker::new(std::ptr::null(), &RawWakerVTable::new(|_| RAW, |_| wake(), |_| wake(), |_| ()));

fn wake() {
    WOKEN.store(true, Ordering::Relaxed);
    nested::count_wake();
}

/// The only main future, as the owner of the flag.
pub(super) struct TheOnly;

impl TheOnly {
    pub(super) fn new() -> Self {
        WOKEN.store(false, Ordering::Relaxed);
        Self
    }
}

impl Root for TheOnly {
    fn waker(&self) -> Waker {
        // SAFETY: the functions use only a static, so they can be called from any thread and any number of times.
        unsafe { Waker::from_raw(RAW) }
    }

    fn take_woken(&self) -> bool {
        WOKEN.swap(false, Ordering::Relaxed)
    }
}

impl Drop for TheOnly {
    fn drop(&mut self) {
        // If this main future ran within another one, the outer future is polled once more, because a wake-up that
        // was meant for it may have been taken here.
        WOKEN.store(true, Ordering::Relaxed);
    }
}
