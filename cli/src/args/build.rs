//! The arguments of `wayside build`.

use std::path::PathBuf;

/// Builds a crate as a component, removes debug data, and prints the path of the component.
#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    /// Directory of the crate [default: .]
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) dir: PathBuf,

    /// Build with cargo's profile `dev`, and keep names and debug information, for backtraces with lines
    #[arg(long)]
    pub(crate) debug: bool,

    /// Cargo features to build the crate with, as `NAME` or `DEPENDENCY/NAME`, separated by commas [default: none]
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
}
