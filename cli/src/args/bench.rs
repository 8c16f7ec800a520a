//! The arguments of `wayside bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser as _;
use http::{HeaderName, HeaderValue, Method, Uri};

use super::request::{parse_header, parse_path};
use super::{Guest, Target};
use crate::units::parse_duration;

/// Measures a component: the duration of requests, the requests per second, and the cost of a request.
///
/// Requests are made in process, without a socket, and handled as `wayside serve` would. Fuel (about one unit per
/// instruction), host calls and memory are measured in a separate run; fuel hardly depends on the machine.
///
/// Responses are counted by status. Those with 5xx and those that break off are failures, and make the exit code 1, as
/// do responses of which most have 4xx or 5xx: errors are cheaper than what was to be measured. With --expect, exactly
/// the responses with another status are failures.
///
/// With --vs both components take turns in short rounds, so that other load on the machine affects both. The ratio is
/// the median of the rounds, with the range of the middle half.
///
/// A debug build of this command compiles components like a release build, but runs the code around them several times
/// slower: use `cargo run --release` or `cargo install`, or compare fuel.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Another component to compare with: a .wasm file, or the directory of a crate
    #[arg(long, value_name = "TARGET")]
    pub(crate) vs: Option<PathBuf>,

    /// Fail if the component takes more time or fuel than that of --vs by more than this, in percent, or if the
    /// statuses differ [default: never]
    #[arg(long, value_name = "PERCENT", requires = "vs", value_parser = parse_percent)]
    pub(crate) fail_above: Option<f64>,

    /// Request to measure, as `/path` or `METHOD /path`, which may be followed by -H, -d and --expect for this request
    /// alone, quoted as in a shell; can be given several times [default: /]
    #[arg(long, value_name = "CASE", value_parser = parse_case)]
    pub(crate) case: Vec<Case>,

    /// Header of the requests; can be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,

    /// Body of the requests: text, or @FILE for the content of a file; the method is POST if a case has none
    #[arg(short, long, value_name = "DATA")]
    pub(crate) data: Option<String>,

    /// Status that the responses must have, as `404` or `4xx`; can be given several times [default: any but errors]
    #[arg(long, value_name = "STATUS", value_parser = parse_expected)]
    pub(crate) expect: Vec<Expected>,

    /// Number of measured requests, for each case and component [default: 1000]
    #[arg(long, value_name = "N", default_value_t = 1000, hide_default_value = true,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) requests: u64,

    /// Number of concurrent requests [default: 1]
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) concurrency: u32,

    /// Time limit of a case, shared by the components, in us, ms, s, min or h; measurements up to then count, and each
    /// component sends at least one request [default: 30s]
    #[arg(long, value_name = "DURATION", default_value = "30s", hide_default_value = true, value_parser = parse_duration)]
    pub(crate) max_time: Duration,

    /// Number of requests that an instance takes before it is replaced [default: 1]
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) reuse: u32,

    /// Print JSON, with times in nanoseconds
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) guest: Guest,
}

/// A request that is measured.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) method: Option<Method>,
    pub(crate) path: Uri,
    pub(crate) own: CaseFlags,
}

impl Default for Case {
    fn default() -> Self {
        Self { method: None, path: Uri::from_static("/"), own: CaseFlags::default() }
    }
}

/// The flags that may follow the path of a case. They have the meaning of the flags of the command.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
pub(crate) struct CaseFlags {
    #[arg(short = 'H', long = "header", value_parser = parse_header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,

    #[arg(short, long)]
    pub(crate) data: Option<String>,

    #[arg(long, value_parser = parse_expected)]
    pub(crate) expect: Vec<Expected>,
}

fn parse_case(text: &str) -> Result<Case, String> {
    let words = shlex::split(text).ok_or("a quote is not closed")?;
    let (method, path, flags) = match &words[..] {
        [path, flags @ ..] if path.starts_with('/') => (None, path, flags),
        [method, path, flags @ ..] if !path.starts_with('-') => {
            (Some(method.parse().map_err(|_| format!("`{method}` is no method"))?), path, flags)
        }
        [path, flags @ ..] => (None, path, flags),
        [] => return Err("write `/path` or `METHOD /path`".to_owned()),
    };
    let own = CaseFlags::try_parse_from(flags).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        format!("{}; a case may have -H, -d and --expect", line.trim_start_matches("error: "))
    })?;
    Ok(Case { method, path: parse_path(path)?, own })
}

/// A status or a class of statuses that responses may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Status(u16),
    /// The first digit.
    Class(u16),
}

impl Expected {
    pub(crate) fn allows(self, status: u16) -> bool {
        match self {
            Self::Status(expected) => status == expected,
            Self::Class(class) => status / 100 == class,
        }
    }
}

fn parse_expected(text: &str) -> Result<Expected, String> {
    let expected = match text.strip_suffix("xx") {
        Some(class) => class.parse().ok().filter(|class| (2..=5).contains(class)).map(Expected::Class),
        None => text.parse().ok().filter(|status| (200..600).contains(status)).map(Expected::Status),
    };
    expected.ok_or_else(|| "write a status from 200 to 599, or a class as `4xx`".to_owned())
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches('%').trim_end().parse().ok();
    percent.filter(|percent: &f64| percent.is_finite() && *percent >= 0.0).ok_or_else(|| "write it as `10`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_a_path_with_a_method_or_without() {
        assert_eq!(parse_case("/a?b").unwrap().path, "/a?b");
        assert_eq!(parse_case("PUT /a").unwrap().method, Some(Method::PUT));
        assert!(parse_case("a").is_err() && parse_case("G@T /").is_err());
        assert_eq!(parse_case("").unwrap_err(), "write `/path` or `METHOD /path`");
    }

    #[test]
    fn a_case_may_have_its_own_headers_body_and_statuses() {
        let case = parse_case("PUT /a -H 'x-key: a b' -d '{\"n\": 1}' --expect 201 --expect 4xx").unwrap();
        assert_eq!(case.own.headers[0].1, "a b");
        assert_eq!(case.own.data.as_deref(), Some("{\"n\": 1}"));
        assert_eq!(case.own.expect, [Expected::Status(201), Expected::Class(4)]);
        assert_eq!(parse_case("/a -d 'x").unwrap_err(), "a quote is not closed");
        let unknown = parse_case("/a --nonsense").unwrap_err();
        assert_eq!(unknown, "unexpected argument '--nonsense' found; a case may have -H, -d and --expect");
        for bad in ["99", "600", "1xx", "6xx", "ok", ""] {
            assert!(parse_expected(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_percentage_is_not_below_zero() {
        assert_eq!((parse_percent("10"), parse_percent("2.5 %")), (Ok(10.0), Ok(2.5)));
        assert!(parse_percent("-1").is_err() && parse_percent("NaN").is_err() && parse_percent("x").is_err());
    }
}
