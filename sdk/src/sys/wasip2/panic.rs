//! What a client sees of a panic.
//!
//! A panic ends the instance: nothing unwinds on this target. The panic hook still runs, and calls to the host work in
//! it. So it is the hook that answers 500 where the head has not been sent, and breaks the message off where it has;
//! some hosts would end it as if it were whole.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};

use super::exchange;

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
    exchange::answer_panic();
}
