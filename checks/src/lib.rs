//! Checks of this project's sources in addition to the compiler's: imports between modules, repeated type names,
//! sizes of files and functions, changes of the public API. The tests of this crate apply them.

mod imports;
mod items;
mod sentences;
mod sources;
mod surface;

pub use imports::{Arrow, Imports};
pub use items::{Function, Items};
pub use sentences::{Sentence, sample, sentences};
pub use sources::{Source, Sources};
pub use surface::Surface;
