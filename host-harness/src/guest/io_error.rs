//! Replaces the error messages of failed streams.
//!
//! wasmtime passes its full error text to the component, with a host backtrace if `RUST_BACKTRACE` is set. Here the
//! component gets the failure and its causes on one line.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::IoError;
use wasmtime_wasi_io::bindings::wasi::io::error::{self, Host, HostError};

use super::state::InstanceState;

/// Replaces wasmtime's implementation of `wasi:io/error`.
pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    error::add_to_linker::<_, Plain>(linker, |state| View(state.table()))?;
    linker.allow_shadowing(false);
    Ok(())
}

struct Plain;

impl HasData for Plain {
    type Data<'a> = View<'a>;
}

struct View<'a>(&'a mut ResourceTable);

impl Host for View<'_> {}

impl HostError for View<'_> {
    fn to_debug_string(&mut self, error: Resource<IoError>) -> wasmtime::Result<String> {
        let text = format!("{:#}", self.0.get(&error)?);
        Ok(text.lines().map(str::trim).collect::<Vec<_>>().join(" "))
    }

    fn drop(&mut self, error: Resource<IoError>) -> wasmtime::Result<()> {
        self.0.delete(error)?;
        Ok(())
    }
}
