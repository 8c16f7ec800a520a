//! The arguments of `wayside inspect`.

use super::Target;

/// Describes a component: its world, its imports and exports, its size.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
