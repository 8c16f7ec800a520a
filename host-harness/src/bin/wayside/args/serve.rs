//! `wayside serve`: its arguments.

use super::{Guest, Target};

/// Serves a component over HTTP until Ctrl-C, which lets requests finish.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000", hide_default_value = true)]
    pub(crate) addr: String,

    #[command(flatten)]
    pub(crate) guest: Guest,
}
