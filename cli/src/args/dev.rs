//! The arguments of `wayside dev`.

use super::Serve;

/// Serves crates like `serve` while you edit them: builds a crate at each change, and replaces the component without
/// losing a request.
///
/// Without a TARGET, ./wayside.toml lists the components, as for `serve`. Middleware that is a crate is built as well.
/// Builds have quick settings in place of those for deployment: incremental, with little optimization.
///
/// A build starts when a file changes that cargo lists as an input of the component; after a failed build, when any file
/// of the crate changes that git does not ignore, except logs (*.log). A change of an --env-file restarts the component.
///
/// If the crate does not compile, the last component keeps running. Browsers get the compiler's messages instead.
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Loopback address and port of the request inspector, a page that shows requests as they happen; each further
    /// component has the next port; port 0 selects a free one [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3001", hide_default_value = true)]
    pub(crate) inspector: String,

    /// Do not serve the inspector
    #[arg(long, conflicts_with = "inspector")]
    pub(crate) no_inspector: bool,

    #[command(flatten)]
    pub(crate) serve: Serve,
}
