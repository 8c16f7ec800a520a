//! The arguments of `wayside dev`.

use std::path::PathBuf;

use super::{Guest, Instances};

/// Serves a crate while you edit it: builds it at each change, and replaces the component without losing a request.
///
/// Middleware that is a crate is built as well. A build starts when a file changes that cargo lists as an input of the
/// component; after a failed build, when any file of the crate changes that git does not ignore, except logs (*.log).
///
/// If the crate does not compile, the last component keeps running. Browsers get the compiler's messages instead.
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Directory of the crate [default: .]
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) dir: PathBuf,

    /// Address and port to listen on; port 0 selects a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000", hide_default_value = true)]
    pub(crate) addr: String,

    /// Loopback address and port of the request inspector, a page that shows requests as they happen; port 0 selects a
    /// free one [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3001", hide_default_value = true)]
    pub(crate) inspector: String,

    /// Do not serve the inspector
    #[arg(long, conflicts_with = "inspector")]
    pub(crate) no_inspector: bool,

    /// Cargo features to build the crate with, as `NAME` or `DEPENDENCY/NAME`, separated by commas [default: none]
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,

    #[command(flatten)]
    pub(crate) instances: Instances,

    #[command(flatten)]
    pub(crate) guest: Guest,
}
