//! Who answers the calls of a component, as every sub-command that runs one takes it.

use std::path::PathBuf;

use wayside_harness::{Error, Rule};

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Outbound {
    /// Server that the component may call, as `[scheme://]host[:port]`, with `*` for any host or `*.` in front of one;
    /// can be given several times [default: none]
    #[arg(long, value_name = "PATTERN", value_parser = parse_rule)]
    pub(crate) allow_outbound: Vec<Rule>,

    /// Answer the component's calls as a TOML file says, with `[[call]]` and `[call.reply]`, and without a network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allow_outbound", "record", "replay"])]
    pub(crate) mock: Option<PathBuf>,

    /// Record the component's calls and their answers in a cassette, a TOML file that can be read and changed
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,

    /// Answer the component's calls from a cassette, without a network; a call that it does not hold fails
    #[arg(long, value_name = "FILE", conflicts_with = "allow_outbound")]
    pub(crate) replay: Option<PathBuf>,

    /// Write the --allow-outbound patterns that the component's calls need into a file, one a line; every call is allowed
    /// meanwhile, unless --mock or --replay answers it
    #[arg(long, value_name = "FILE", conflicts_with = "allow_outbound")]
    pub(crate) learn_outbound: Option<PathBuf>,
}

fn parse_rule(text: &str) -> Result<Rule, String> {
    text.parse().map_err(|error: Error| match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    })
}
