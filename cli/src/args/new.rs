//! The arguments of `wayside new`.

use std::path::PathBuf;

use crate::template::Template;

/// Makes a crate for a component, with tests and a README.
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// Directory to create; its last part is the name of the crate
    #[arg(value_name = "NAME", required_unless_present = "list")]
    pub(crate) dir: Option<PathBuf>,

    /// Template of the crate; see --list [default: hello]
    #[arg(long, value_name = "TEMPLATE", value_enum, default_value = "hello", hide_default_value = true)]
    pub(crate) template: Template,

    /// List the templates, and create nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// Do not make a git repository; inside of one, none is made anyway
    #[arg(long)]
    pub(crate) no_git: bool,

    /// Checkout of Wayside that the crate depends on [default: the one that this command was built from]
    #[arg(long, value_name = "DIR")]
    pub(crate) wayside: Option<PathBuf>,
}
