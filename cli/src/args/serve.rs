//! `wayside serve`: its arguments.

use std::path::PathBuf;
use std::time::Duration;

use super::Guest;
use crate::log::Format;
use crate::units::parse_duration;

/// Serves components over HTTP until Ctrl-C or SIGTERM, which let requests finish.
///
/// Without a TARGET, ./wayside.toml says what is served, where it is: components by routes, and for each of them what these flags say
/// of one. Flags win over the file.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// A .wasm file, or the directory of a crate, which is built first
    /// [default: what ./wayside.toml says, or the crate in the current directory]
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<PathBuf>,

    /// Cargo features to build the crate with, as `NAME` or `DEPENDENCY/NAME`, separated by commas [default: none]
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,

    /// File with settings, in place of ./wayside.toml
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    pub(crate) settings: Option<PathBuf>,

    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    pub(crate) addr: Option<String>,

    /// Write a line for each request, and the component's output under its request: as text on stderr, or as JSON on
    /// stdout, one object a line [default: the component's output alone]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    pub(crate) log: Option<Format>,

    /// How long a client may stand still, in us, ms, s, min or h: without a request, in its upload (which is answered with
    /// 408), or while it takes nothing of the response [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) client_timeout: Option<Duration>,

    /// How long requests may go on after Ctrl-C or SIGTERM, with the work after their responses, in the same units; a
    /// second signal ends them at once [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) drain_timeout: Option<Duration>,

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

    #[command(flatten)]
    pub(crate) instances: Instances,

    /// Count fuel (about one unit an instruction) and calls to the host for --log, which makes components slower
    #[arg(long)]
    pub(crate) count_fuel: bool,
}

/// How instances are used.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Instances {
    /// How many requests an instance takes before it is replaced [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) reuse: Option<u32>,

    /// How many of them it works on at the same time, which only components of WASI 0.3 can: a trap ends them all
    /// [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) at_once: Option<u32>,
}
