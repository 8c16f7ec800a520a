//! The panic hook of a component.
//!
//! A panic ends the instance, because nothing unwinds on this target. The hook still runs, and it can call the host: the
//! world answers 500 or breaks messages off there, because some hosts would end them as if they were whole.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};

thread_local! {
    static INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Installs a hook, once an instance.
pub(super) fn install(hook: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static) {
    if !INSTALLED.replace(true) {
        panic::set_hook(Box::new(hook));
    }
}
