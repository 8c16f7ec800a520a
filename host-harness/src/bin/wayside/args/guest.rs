//! What every sub-command that runs a component takes.

use wayside_harness::{Error, Rule};

#[derive(Debug, clap::Args)]
pub(crate) struct Guest {
    /// Environment variable of the component, which sees no others; can be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_env)]
    pub(crate) env: Vec<(String, String)>,

    /// Server that the component may call, as `[scheme://]host[:port]`, with `*` for any host or `*.` in front of one;
    /// can be given several times [default: none]
    #[arg(long, value_name = "PATTERN", value_parser = parse_rule)]
    pub(crate) allow_outbound: Vec<Rule>,
}

fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write `NAME=VALUE`".to_owned()),
    }
}

fn parse_rule(text: &str) -> Result<Rule, String> {
    text.parse().map_err(|error: Error| match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_variable_needs_a_name() {
        assert_eq!(parse_env("A=b=c").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert!(parse_env("A").is_err());
        assert!(parse_env("=b").is_err());
    }
}
