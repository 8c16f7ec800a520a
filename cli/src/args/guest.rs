//! Arguments of every sub-command that runs a component.

use std::path::PathBuf;
use std::time::Duration;

use wayside_harness::check_variable;

use super::Outbound;
use crate::units::{parse_duration, parse_memory, parse_size};

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Guest {
    /// Middleware in front of the component: a .wasm file, or the directory of a crate, which is built first; can be
    /// given several times, outermost first [default: none]
    #[arg(long, value_name = "TARGET")]
    pub(crate) middleware: Vec<PathBuf>,

    /// Environment variable of the component, which gets no others; can be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_env)]
    pub(crate) env: Vec<(String, String)>,

    /// File with environment variables, one `NAME=VALUE` per line, with `#` comments and quotes, up to 16 MiB; the last
    /// value of a name counts, and --env overrides it; can be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,

    /// Setting for `wasi:config`; can be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_env)]
    pub(crate) config: Vec<(String, String)>,

    /// Store for `wasi:keyvalue`: `memory`, which ends with the command, `file:PATH`, which stays, or a Redis server as
    /// `redis://[user:password@]host[:port]` [default: memory]
    #[arg(long, value_name = "STORE", value_parser = parse_store)]
    pub(crate) keyvalue: Option<Store>,

    #[command(flatten)]
    pub(crate) outbound: Outbound,

    /// Time limit for the head of a response, and again after the end of its body, in us, ms, s, min or h [default:
    /// 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,

    /// Memory limit of an instance, in KB, MB, GB (powers of 1000), KiB, MiB or GiB (powers of 1024) [default: 256 MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub(crate) max_memory: Option<usize>,

    /// Size limit of a request body, in the same units; a larger one gets 413 [default: no limit, because bodies
    /// stream]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_body: Option<u64>,

    /// Print each host call of the component on stderr, or in the JSON log: interface, function, arguments without
    /// lists, result
    #[arg(long)]
    pub(crate) trace_wasi: bool,
}

/// The storage of `wasi:keyvalue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    File(PathBuf),
    Redis(String),
}

pub(crate) fn parse_store(text: &str) -> Result<Store, String> {
    match text {
        "memory" => Ok(Store::Memory),
        path if path.len() > "file:".len() && path.starts_with("file:") => {
            Ok(Store::File(path.trim_start_matches("file:").into()))
        }
        url if url.starts_with("redis://") => Ok(Store::Redis(url.to_owned())),
        _ => Err("write `memory`, `file:PATH`, or `redis://host:port`".to_owned()),
    }
}

fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            check_variable(name, value).map_err(|error| error.to_string())?;
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write `NAME=VALUE`".to_owned()),
    }
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

    #[test]
    fn an_environment_variable_has_the_names_and_values_that_a_file_may_give_it() {
        for text in ["A B=1", "\"A\"=1", "\u{1b}A=1", "A\t=1", "A=1\0"] {
            assert!(parse_env(text).is_err(), "{text:?}");
        }
    }
}
