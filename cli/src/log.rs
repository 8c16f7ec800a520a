//! The log of servers: access lines, output of components, and warnings.
//!
//! Text goes to stderr. JSON goes to stdout, one object per line and nothing else.

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

/// Starts the log of this process: errors and warnings by default, more with the environment variable `WAYSIDE_LOG`,
/// and host calls if requested.
pub(crate) fn start(trace_wasi: bool) {
    let filter = filter();
    let calls = trace_wasi.then(|| wasi::Calls.with_filter(wasi::filter()));
    tracing_subscriber::registry().with(diagnostics::Diagnostics.with_filter(filter)).with(calls).init();
}

/// The contents of the log.
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

/// Sets the format of the log from now on; before, it is text.
pub(crate) fn set_format(format: Format) {
    JSON.store(format == Format::Json, Ordering::Relaxed);
}

/// Prints one entry: lines of text, or an object.
fn print(text: impl FnOnce() -> String, json: impl FnOnce() -> serde_json::Result<String>) {
    if !JSON.load(Ordering::Relaxed) {
        report::lines(&text());
    } else if let Ok(mut line) = json() {
        // The entries contain strings, numbers and maps of them, which JSON supports.
        line.push('\n');
        // A reader that has gone ends the log, and not the server.
        let _ = report::json(&line);
    }
}

/// Returns the current time in the format of RFC 3339.
fn now() -> String {
    let mut text = String::new();
    // Writing to a `String` never fails.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// Returns the prefix of lines about a request.
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
