//! The arguments of `wayside serve`.

use std::path::PathBuf;
use std::time::Duration;

use super::Guest;
use crate::log::Format;
use crate::units::parse_duration;

/// Serves components over HTTP until Ctrl-C or SIGTERM, and lets running requests finish.
///
/// Without a TARGET, ./wayside.toml lists the components, if it exists, with their routes and the settings that are
/// flags here. Flags override the file.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// A .wasm file, or the directory of a crate, which is built first [default: the components of ./wayside.toml, or
    /// the crate in the current directory]
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<PathBuf>,

    /// Cargo features to build the crate with, as `NAME` or `DEPENDENCY/NAME`, separated by commas [default: none]
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,

    /// Settings file, in place of ./wayside.toml
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    pub(crate) settings: Option<PathBuf>,

    /// Address and port to listen on; port 0 selects a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    pub(crate) addr: Option<String>,

    /// Write a line for each request, and the component's output with the number of its request: as text on stderr, or
    /// as JSON on stdout, one object per line [default: only the component's output]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    pub(crate) log: Option<Format>,

    /// How long a client may be inactive, in us, ms, s, min or h: without a request, in its upload (which gets 408), or
    /// without reading the response [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) client_timeout: Option<Duration>,

    /// How long requests, including work after their responses, may continue after Ctrl-C or SIGTERM, in the same
    /// units; a second signal ends them at once [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) drain_timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) serving: Serving,

    #[command(flatten)]
    pub(crate) guest: Guest,
}

/// The arguments of a command that handles many requests.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Serving {
    /// Number of concurrent requests; up to 1024 more wait, for --timeout at most, and others get 503 [default: no
    /// limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_concurrency: Option<u32>,

    #[command(flatten)]
    pub(crate) instances: Instances,

    /// Count fuel (about one unit per instruction) and host calls for --log, which makes components slower
    #[arg(long)]
    pub(crate) count_fuel: bool,
}

/// The arguments that say how many requests an instance handles.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Instances {
    /// Number of requests that an instance takes before it is replaced [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) reuse: Option<u32>,

    /// Number of requests that an instance works on at the same time, only for components of WASI 0.3: a trap ends all
    /// of them [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) at_once: Option<u32>,
}
