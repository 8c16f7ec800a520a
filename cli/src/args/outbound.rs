//! The arguments about outbound calls, which every sub-command that runs a component has.

use std::path::PathBuf;

use wayside_harness::{Error, Rule};

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Outbound {
    /// Server that the component may call, as `[scheme://]host[:port]`: `*` matches any public host, `*.example.org`
    /// the public ones below a name, a range such as `10.0.0.0/8` any host in it; the port can be a range such as
    /// `8000-8099`; can be given several times [default: none]
    #[arg(long, value_name = "PATTERN", value_parser = parse_rule)]
    pub(crate) allow_outbound: Vec<Rule>,

    /// Respond to outbound calls as a TOML file says, with `[[call]]` and `[call.reply]`, without a network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allow_outbound", "record", "replay"])]
    pub(crate) mock: Option<PathBuf>,

    /// Record outbound calls and their responses in a cassette, a TOML file that can be read and edited
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,

    /// Header, or parameter of URLs and forms, whose values --record redacts, in addition to `authorization`, cookies,
    /// keys, tokens, passwords and signatures; can be given several times
    #[arg(long, value_name = "NAME", value_parser = parse_secret)]
    pub(crate) redact: Vec<String>,

    /// Respond to outbound calls from a cassette, without a network; other calls fail
    #[arg(long, value_name = "FILE", conflicts_with = "allow_outbound")]
    pub(crate) replay: Option<PathBuf>,

    /// Wait before each piece of a streamed body as long as the server did when --record recorded it [default: no wait]
    #[arg(long)]
    pub(crate) replay_pauses: bool,

    /// Write the --allow-outbound rules that the component needs to a file, one per line; every call is allowed
    /// meanwhile, unless --mock or --replay responds to it
    #[arg(long, value_name = "FILE", conflicts_with = "allow_outbound")]
    pub(crate) learn_outbound: Option<PathBuf>,
}

impl Outbound {
    /// Combines these flags with the settings of a file. A flag replaces the setting of the same name and every setting
    /// that cannot be combined with the flag. The names to redact are those of the flags and of the file together.
    pub(crate) fn over(self, file: Self) -> Self {
        let given = self.given();
        let is_given = |name: &str| given.contains(&(name, true));
        let stays = |name: &str| {
            !CONFLICTS.iter().any(|(one, other)| *one == name && is_given(other) || *other == name && is_given(one))
        };
        let stay = |name: &str, path: Option<PathBuf>| path.filter(|_| stays(name));
        let rules = if self.allow_outbound.is_empty() && stays("allow-outbound") {
            file.allow_outbound
        } else {
            self.allow_outbound
        };
        Self {
            allow_outbound: rules,
            mock: self.mock.or(stay("mock", file.mock)),
            record: self.record.or(stay("record", file.record)),
            redact: [file.redact, self.redact].concat(),
            replay: self.replay.or(stay("replay", file.replay)),
            replay_pauses: self.replay_pauses || file.replay_pauses,
            learn_outbound: self.learn_outbound.or(stay("learn-outbound", file.learn_outbound)),
        }
    }

    /// Returns the names of two given settings that exclude each other, if there are any.
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

/// The pairs of settings that exclude each other. The attributes `conflicts_with` above state the same pairs for flags.
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

pub(crate) fn parse_secret(name: &str) -> Result<String, String> {
    if name.is_empty() || name.contains([':', '=', '?', '&', ' ']) {
        return Err("write the name alone, as `x-session`".to_owned());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes settings with these keys, each with the value `by`.
    fn settings(keys: &[&str], by: &str) -> Outbound {
        let file = |key: &str| keys.contains(&key).then(|| by.into());
        Outbound {
            allow_outbound: keys.contains(&"allow-outbound").then(|| by.parse().unwrap()).into_iter().collect(),
            mock: file("mock"),
            record: file("record"),
            redact: vec![by.to_owned()],
            replay: file("replay"),
            replay_pauses: false,
            learn_outbound: file("learn-outbound"),
        }
    }

    #[test]
    fn a_flag_takes_the_place_of_its_key_and_of_those_that_contradict_it() {
        for (file, flags, from_file) in [
            (&["allow-outbound"][..], &["record"][..], &["allow-outbound"][..]),
            (&["allow-outbound", "record"], &["replay"], &[]),
            (&["allow-outbound", "record"], &["learn-outbound"], &["record"]),
            (&["allow-outbound", "record"], &["allow-outbound"], &["record"]),
            (&["mock"], &["allow-outbound"], &[]),
            (&["replay"], &["record"], &[]),
            (&["replay"], &[], &["replay"]),
        ] {
            let merged = settings(flags, "flag").over(settings(file, "file"));
            assert_eq!(merged.conflict(), None, "{file:?} {flags:?}");
            assert_eq!(merged.redact, ["file", "flag"]);
            let expected: Vec<_> = [flags, from_file].concat();
            assert!(merged.given().iter().all(|(name, given)| expected.contains(name) == *given), "{merged:?}");
            let rule = if flags.contains(&"allow-outbound") { "flag" } else { "file" };
            assert!(merged.allow_outbound.iter().all(|given| given.to_string() == rule), "{merged:?}");
        }
    }
}
