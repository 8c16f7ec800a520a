//! Declares the command line. The arguments of each sub-command are in a file of `args/`.

mod bench;
mod bindgen;
mod build;
mod check;
mod completions;
mod compose;
mod dev;
mod guest;
mod inspect;
mod new;
mod outbound;
mod request;
mod serve;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::exit_code;

pub(crate) use bench::{Bench, Case, Expected};
pub(crate) use bindgen::Bindgen;
pub(crate) use build::Build;
pub(crate) use check::Check;
pub(crate) use completions::Completions;
pub(crate) use compose::Compose;
pub(crate) use dev::Dev;
pub(crate) use guest::{Guest, Store, parse_store};
pub(crate) use inspect::Inspect;
pub(crate) use new::New;
pub(crate) use outbound::{Outbound, parse_rule, parse_secret};
pub(crate) use request::Request;
pub(crate) use serve::{Instances, Serve, Serving};

/// Builds, serves, tests and measures WASI HTTP components.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(after_help = exit_code::USUAL)]
    New(New),
    #[command(after_help = exit_code::USUAL)]
    Build(Build),
    #[command(after_help = exit_code::USUAL)]
    Dev(Dev),
    #[command(after_help = exit_code::USUAL)]
    Serve(Serve),
    #[command(after_help = exit_code::OF_REQUEST)]
    Request(Request),
    #[command(after_help = exit_code::USUAL)]
    Inspect(Inspect),
    #[command(after_help = exit_code::OF_CHECK)]
    Check(Check),
    #[command(after_help = exit_code::OF_BENCH)]
    Bench(Bench),
    #[command(after_help = exit_code::USUAL)]
    Compose(Compose),
    #[command(after_help = exit_code::USUAL)]
    Bindgen(Bindgen),
    #[command(after_help = exit_code::USUAL)]
    Completions(Completions),
}

impl Command {
    /// Whether the command prints each host call of its component (`--trace-wasi`).
    pub(crate) fn trace_wasi(&self) -> bool {
        match self {
            Self::Serve(args) => args.guest.trace_wasi,
            Self::Dev(args) => args.serve.guest.trace_wasi,
            Self::Request(args) => args.guest.trace_wasi,
            Self::Bench(args) => args.guest.trace_wasi,
            _ => false,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// A .wasm file, or the directory of a crate, which is built first [default: .]
    #[arg(value_name = "TARGET", default_value = ".", hide_default_value = true)]
    pub(crate) target: PathBuf,

    /// Cargo features to build the crate with, as `NAME` or `DEPENDENCY/NAME`, separated by commas [default: none]
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
