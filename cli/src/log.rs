//! The log: a line for each request of a server, the output of components, and warnings.
//!
//! As text, the log goes to stderr. As JSON, it goes to stdout with one object per line, and nothing else goes there.

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
    /// Text for people, on stderr
    #[default]
    Text,
    /// JSON with one object per line, on stdout
    Json,
}

/// Starts the log of this process. By default it contains errors and warnings; the environment variable `WAYSIDE_LOG`
/// selects more. `trace_wasi` adds host calls.
pub(crate) fn start(trace_wasi: bool) {
    let filter = filter();
    let calls = trace_wasi.then(|| wasi::Calls.with_filter(wasi::filter()));
    tracing_subscriber::registry().with(diagnostics::Diagnostics.with_filter(filter)).with(calls).init();
}

/// Returns the filter that `WAYSIDE_LOG` describes, or one that selects errors and warnings.
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

/// Sets the format of all further entries. Until then, entries are text.
pub(crate) fn set_format(format: Format) {
    JSON.store(format == Format::Json, Ordering::Relaxed);
}

/// Prints one entry of the log in the current format: as lines of text or as a JSON object.
fn print(text: impl FnOnce() -> String, json: impl FnOnce() -> serde_json::Result<String>) {
    if !JSON.load(Ordering::Relaxed) {
        report::lines(&text());
    } else if let Ok(mut line) = json() {
        // `json` does not fail: the entries contain only strings, numbers and maps of them.
        line.push('\n');
        // Ignores an error: the server keeps running after the reader of its log has closed the pipe.
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

/// Returns the start of a line, such as `guests#1 `: the name of the component and the number of the request, where
/// they are known.
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
