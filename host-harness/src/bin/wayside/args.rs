//! The command line, declared in one place.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use http::{HeaderName, HeaderValue, Method};
use wayside_harness::{Error, Rule};

/// Builds, serves, requests and inspects WASI HTTP components.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Serve),
    Request(Request),
    Inspect(Inspect),
    Bindgen(Bindgen),
}

/// Serves a component over HTTP until Ctrl-C, which lets requests finish.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000", hide_default_value = true)]
    pub(crate) addr: String,

    #[command(flatten)]
    pub(crate) guest: Guest,
}

/// Sends one request to a component, without a socket, and prints the body of the response.
///
/// Exits with 0 for a status below 400, 4 for 4xx, 5 for 5xx, 6 if the response breaks off, 1 if the component cannot
/// be run, and 2 if the arguments cannot be understood.
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Path and query, or a whole URL [default: /]
    #[arg(value_name = "PATH", default_value = "/", hide_default_value = true)]
    pub(crate) path: String,

    /// Method of the request [default: GET, or POST with --data]
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) method: Option<Method>,

    /// Field of the request; can be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,

    /// Body of the request: text, @FILE for a file's content, or @- for standard input
    #[arg(short, long, value_name = "DATA")]
    pub(crate) data: Option<String>,

    /// Print status and fields before the body
    #[arg(short, long)]
    pub(crate) include: bool,

    /// Print on stderr what the request took: fuel (about one unit an instruction) and memory
    #[arg(long)]
    pub(crate) usage: bool,

    #[command(flatten)]
    pub(crate) guest: Guest,
}

/// Tells what a component is: its world, what it imports and exports, its size.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Writes the bindings of the SDK anew from the WIT in a checkout of the project.
#[derive(Debug, clap::Args)]
pub(crate) struct Bindgen {
    /// Change nothing; fail if the bindings are stale
    #[arg(long)]
    pub(crate) check: bool,

    /// Root of the checkout [default: .]
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) root: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// A .wasm file, or the directory of a crate, which is built first
    #[arg(value_name = "TARGET")]
    pub(crate) target: PathBuf,

    /// Cargo features to build the crate with, as `NAME` or `DEPENDENCY/NAME`, separated by commas [default: none]
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
}

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

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write `name: value`")?;
    let name = name.trim().parse().map_err(|error| format!("`{}`: {error}", name.trim()))?;
    let value = value.trim().parse().map_err(|error| format!("the value of `{name}`: {error}"))?;
    Ok((name, value))
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
    fn the_declaration_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_field_is_split_at_its_first_colon() {
        let (name, value) = parse_header("x-time: 12:30").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-time", "12:30"));
        assert!(parse_header("no colon").is_err());
        assert!(parse_header("bad name: x").is_err());
    }

    #[test]
    fn an_environment_variable_needs_a_name() {
        assert_eq!(parse_env("A=b=c").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert!(parse_env("A").is_err());
        assert!(parse_env("=b").is_err());
    }
}
