//! The arguments of `wayside compose`.

use std::path::PathBuf;

use super::Target;

/// Composes a component and its middleware into one component, for hosts without middleware chains.
#[derive(Debug, clap::Args)]
pub(crate) struct Compose {
    #[command(flatten)]
    pub(crate) target: Target,

    /// File to write the component to
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Middleware in front of the component: a .wasm file, or the directory of a crate, which is built first; can be
    /// given several times, outermost first
    #[arg(long, value_name = "TARGET", required = true)]
    pub(crate) middleware: Vec<PathBuf>,
}
