//! The host functions that components of every world can import.

use wasmtime::component::Linker;

use super::io_error;
use super::state::State;
use crate::config::Config;
use crate::keyvalue::KeyValueView;

/// Adds the functions that the harness implements itself.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    io_error::add_to_linker(linker)?;
    Config::add_to_linker(linker, State::config)?;
    KeyValueView::add_to_linker(linker, State::keyvalue)
}
