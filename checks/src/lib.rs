//! Checks of the sources of this project, which the compiler does not make: which modules import which, how often a name is
//! used for a type, how long files and functions are. The tests of this crate hold the sources to them.

mod imports;
mod items;
mod sources;

pub use imports::{Arrow, Imports};
pub use items::{Function, Items};
pub use sources::{Source, Sources};
