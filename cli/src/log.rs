//! The log of a command that answers requests: an access line for each, what components write, and warnings.
//!
//! As text it goes to stderr, for people. As JSON it goes to stdout, one object a line and nothing else.

mod access;
mod diagnostics;
mod wasi;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};
use wayside_harness::show;

pub(crate) use access::AccessLog;

use crate::report;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Lines for people, on stderr
    #[default]
    Text,
    /// An object a line, on stdout
    Json,
}

/// Starts the log of this process: problems by default, more with the environment variable `WAYSIDE_LOG`, and each call of a
/// component to its host where that is asked for.
pub(crate) fn start(trace_wasi: bool) {
    let filter = filter();
    let calls = trace_wasi.then(|| wasi::Calls.with_filter(wasi::filter()));
    tracing_subscriber::registry().with(diagnostics::Diagnostics.with_filter(filter)).with(calls).init();
}

/// What the log holds.
fn filter() -> EnvFilter {
    let usual = || EnvFilter::new("wayside=warn,wayside_harness=warn");
    let Some(wanted) = std::env::var_os("WAYSIDE_LOG").filter(|wanted| !wanted.is_empty()) else {
        return usual();
    };
    let filter = wanted.to_str().ok_or_else(|| "it is not UTF-8".to_owned());
    filter.and_then(|wanted| wanted.parse().map_err(|error| format!("{error}"))).unwrap_or_else(|error: String| {
        let wanted = wanted.to_string_lossy();
        report::note(&format!(
            "warning: WAYSIDE_LOG is ignored: `{wanted}`: {error}; write `debug` or `wayside=debug`"
        ));
        usual()
    })
}

/// Whether the log of this process is JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// Sets how the log is written from now on; it is text before.
pub(crate) fn set_format(format: Format) {
    JSON.store(format == Format::Json, Ordering::Relaxed);
}

/// Prints one entry: lines of text, or an object.
fn print(text: impl FnOnce() -> String, json: impl FnOnce() -> serde_json::Result<String>) {
    if !JSON.load(Ordering::Relaxed) {
        report::lines(&text());
    } else if let Ok(mut line) = json() {
        // The entries hold strings, numbers and maps of them, all of which JSON has.
        line.push('\n');
        // A reader that went away ends the log, and not the server.
        let _ = report::json(&line);
    }
}

/// This moment, as RFC 3339 has it.
fn now() -> String {
    let mut text = String::new();
    // Writing to a `String` never fails.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// What lines about a request begin with.
fn mark(component: Option<&str>, request: Option<u64>) -> String {
    let mut mark = show::line(component.unwrap_or_default()).into_owned();
    if let Some(request) = request {
        // Writing to a `String` never fails.
        let _ = write!(mark, "#{request}");
    }
    if !mark.is_empty() {
        mark.push(' ');
    }
    mark
}
