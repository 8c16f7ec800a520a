//! `wayside dev`: its arguments.

use std::path::PathBuf;

use super::{Guest, Instances};

/// Serves a crate while it is worked on: builds it at each change, and swaps the component without losing a request.
///
/// Middleware in front of it that is a crate, too, is built with it. A change is one of a file that cargo knows to be a part of
/// the component; after a build that failed, one of any file of the crate that git does not ignore, except logs (*.log).
///
/// Where the crate does not compile, the last component that did goes on. Browsers are shown what the compiler says
/// instead.
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Directory of the crate [default: .]
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) dir: PathBuf,

    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000", hide_default_value = true)]
    pub(crate) addr: String,

    /// Address and port of the request inspector, which shows requests as they happen, to this machine alone; port 0
    /// takes a free one [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3001", hide_default_value = true)]
    pub(crate) inspector: String,

    /// Serve no inspector
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
