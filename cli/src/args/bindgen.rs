//! The arguments of `wayside bindgen`.

use std::path::PathBuf;

/// Regenerates the bindings of the SDK, and copies of WIT, from the WIT in a checkout of the project.
#[derive(Debug, clap::Args)]
pub(crate) struct Bindgen {
    /// Change nothing; fail if a generated file is stale
    #[arg(long)]
    pub(crate) check: bool,

    /// Root of the checkout [default: .]
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) root: PathBuf,
}
