//! The panic hook of a component.
//!
//! A panic ends the instance, because this target does not unwind. The hook still runs and can call the host. It
//! breaks unfinished messages off, because some hosts would end them as if they were complete. In WASI 0.2 it also
//! responds with 500 if no response has been sent.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};

thread_local! {
    static INSTALLED: Cell<bool> = const { Cell::new(false) };
}

/// Installs the panic hook of the instance. Every call after the first one does nothing.
pub(super) fn install(hook: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static) {
    if !INSTALLED.replace(true) {
        panic::set_hook(Box::new(hook));
    }
}
