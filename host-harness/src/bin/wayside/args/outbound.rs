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

impl Outbound {
    /// Whether anything is said about calls.
    pub(crate) fn is_given(&self) -> bool {
        self.given().iter().any(|(_, given)| *given)
    }

    /// Two that would answer the same calls.
    pub(crate) fn conflict(&self) -> Option<(&'static str, &'static str)> {
        let given = self.given();
        let is_given = |name: &str| given.contains(&(name, true));
        CONFLICTS.into_iter().find(|(one, other)| is_given(one) && is_given(other))
    }

    fn given(&self) -> [(&'static str, bool); 5] {
        [
            ("allow-outbound", !self.allow_outbound.is_empty()),
            ("mock", self.mock.is_some()),
            ("record", self.record.is_some()),
            ("replay", self.replay.is_some()),
            ("learn-outbound", self.learn_outbound.is_some()),
        ]
    }
}

/// What is refused together, as the declaration above says of the flags.
const CONFLICTS: [(&str, &str); 6] = [
    ("mock", "allow-outbound"),
    ("mock", "record"),
    ("mock", "replay"),
    ("replay", "allow-outbound"),
    ("replay", "record"),
    ("learn-outbound", "allow-outbound"),
];

pub(crate) fn parse_rule(text: &str) -> Result<Rule, String> {
    text.parse().map_err(|error: Error| match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    })
}
