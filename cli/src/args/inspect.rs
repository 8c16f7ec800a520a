//! `wayside inspect`: its arguments.

use super::Target;

/// Tells what a component is: its world, what it imports and exports, its size.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
