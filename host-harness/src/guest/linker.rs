//! The host functions that components of every world can import.

use wasmtime::component::Linker;

use super::io_error;
use super::state::InstanceState;
use crate::config::Config;
use crate::keyvalue::KeyValueView;

/// Adds the functions that the harness implements itself.
pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    io_error::add_to_linker(linker)?;
    Config::add_to_linker(linker, InstanceState::config)?;
    KeyValueView::add_to_linker(linker, InstanceState::keyvalue)
}
