//! The arguments of `wayside bench`.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri};

use super::request::{parse_header, parse_path};
use super::{Guest, Target};
use crate::units::parse_duration;

/// Measures a component: the duration of requests, the requests per second, and the cost of a request.
///
/// Requests are made in process, without a socket, and handled as `wayside serve` would. Fuel (about one unit per
/// instruction), host calls and memory are measured in a separate run; fuel hardly depends on the machine.
///
/// Responses outside of 2xx are counted by status. Responses with 5xx, and those that break off, are failures, and make
/// the exit code 1; 3xx and 4xx are not, because a redirect or a rejection may be the subject.
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

    /// Request to measure, as `/path` or `METHOD /path`; can be given several times [default: /]
    #[arg(long, value_name = "CASE", value_parser = parse_case)]
    pub(crate) case: Vec<Case>,

    /// Header of the requests; can be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,

    /// Body of the requests: text, or @FILE for the content of a file; the method is POST if a case has none
    #[arg(short, long, value_name = "DATA")]
    pub(crate) data: Option<String>,

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
}

fn parse_case(text: &str) -> Result<Case, String> {
    let (method, path) = match text.split_once(' ') {
        Some((method, path)) => (Some(method.parse().map_err(|_| format!("`{method}` is no method"))?), path),
        None => (None, text),
    };
    Ok(Case { method, path: parse_path(path.trim_start())? })
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
    }

    #[test]
    fn a_percentage_is_not_below_zero() {
        assert_eq!((parse_percent("10"), parse_percent("2.5 %")), (Ok(10.0), Ok(2.5)));
        assert!(parse_percent("-1").is_err() && parse_percent("NaN").is_err() && parse_percent("x").is_err());
    }
}
