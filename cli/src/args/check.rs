//! `wayside check`: its arguments.

use super::Target;
use crate::hosts::{Host, parse_host, parse_world};

/// Tells whether a component would run on another host: which imports that host would not satisfy, and who asks for them.
///
/// Interfaces are compared, and their versions as the host compares them. Functions within them are not, with one exception: a
/// component is middleware if it imports the function that calls the next handler. Without --host and --world, all hosts are
/// told of that enough is known about.
///
/// What is missing is mended at the side that asks. Rust's standard library asks for `wasi:cli`, whatever the component
/// does: take a host that offers it, as `wasmtime serve -Scli`. For an interface that is too new, build with bindings of a
/// lower version; for one of 0.3, build for WASI 0.2. Middleware becomes a service with `wayside compose`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Host to check for: wasmtime@36, wasmtime@48, jco or wayside; can be given several times [default: all]
    #[arg(long, value_name = "HOST", value_parser = parse_host)]
    pub(crate) host: Vec<Host>,

    /// World to check against, in any version or in one: wasi:http/proxy[@0.2.N], wasi:http/service[@0.3.N] or
    /// wasi:http/middleware[@0.3.N]; can be given several times [default: none]
    #[arg(long, value_name = "WORLD", value_parser = parse_world)]
    pub(crate) world: Vec<Host>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
