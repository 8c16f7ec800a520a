//! `wayside serve`: its arguments.

use super::{Guest, Target};
use crate::log::Format;

/// Serves a component over HTTP until Ctrl-C, which lets requests finish.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000", hide_default_value = true)]
    pub(crate) addr: String,

    /// Write a line for each request, and the component's output under its request: as text on stderr, or as JSON on
    /// stdout, one object a line [default: the component's output alone]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    pub(crate) log: Option<Format>,

    #[command(flatten)]
    pub(crate) serving: Serving,

    #[command(flatten)]
    pub(crate) guest: Guest,
}

/// What matters where there are many requests.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Serving {
    /// How many requests are worked on at once; up to 1024 more wait, for --timeout at most, and others are answered with
    /// 503 [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_concurrency: Option<u32>,

    /// How many requests an instance takes before it is replaced [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) reuse: Option<u32>,

    /// How many of them it works on at the same time, which only components of WASI 0.3 can: a trap ends them all
    /// [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) at_once: Option<u32>,

    /// Count fuel (about one unit an instruction) and calls to the host for --log, which makes components slower
    #[arg(long)]
    pub(crate) count_fuel: bool,
}
