//! What a client sees of a panic.
//!
//! A panic ends the instance with every exchange that is in flight there: nothing unwinds on this target. The panic hook
//! still runs, and calls to the host work in it. A task that the host will not hear of any more cannot answer, so a panic
//! before the head is the host's to answer, with 500. But bodies of which a part has been sent are broken off by their
//! trailers, because some hosts would end them as if they were whole.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};

use super::{abi, exchange};

thread_local! {
    static INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Installs the hook, once an instance.
pub(super) fn install_hook() {
    if !INSTALLED.replace(true) {
        panic::set_hook(Box::new(hook));
    }
}

fn hook(info: &PanicHookInfo<'_>) {
    exchange::log(&info.to_string());
    abi::break_all_off();
}
