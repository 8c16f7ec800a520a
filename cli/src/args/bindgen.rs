//! `wayside bindgen`: its arguments.

use std::path::PathBuf;

/// Regenerates the bindings of the SDK from the WIT in a checkout of the project.
#[derive(Debug, clap::Args)]
pub(crate) struct Bindgen {
    /// Change nothing; fail if the bindings are stale
    #[arg(long)]
    pub(crate) check: bool,

    /// Root of the checkout [default: .]
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) root: PathBuf,
}
