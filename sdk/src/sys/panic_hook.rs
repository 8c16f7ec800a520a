//! The panic hook of a component.
//!
//! A panic ends the instance, because this target does not unwind. The hook still runs and can call the host: the world
//! responds with 500 or breaks messages off, because some hosts would end them normally.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};

thread_local! {
    static INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Installs a hook, once per instance.
pub(super) fn install(hook: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static) {
    if !INSTALLED.replace(true) {
        panic::set_hook(Box::new(hook));
    }
}
