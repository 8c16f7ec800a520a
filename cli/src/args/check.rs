//! The arguments of `wayside check`.

use super::Target;
use crate::hosts::{Host, parse_host, parse_world};

/// Tells whether another host can run a component: which imports that host lacks, and which part of the component
/// imports them.
///
/// Compares interfaces by name, and by version as the host does. Does not compare functions, with one exception: a
/// component is middleware if it imports the function that calls the next handler. Without --host and --world, the
/// report covers all known hosts.
///
/// To resolve a missing import: Rust's standard library imports `wasi:cli` in any component, so use a host that offers
/// it, such as `wasmtime serve -Scli`. For an interface that is too new, build with bindings of a lower version; for
/// one of 0.3, build for WASI 0.2. `wayside compose` turns middleware and an application into a service.
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
