//! Everything that the command prints.
//!
//! Results go to stdout, everything for people to stderr. A reader that closes its end is no error.

use std::error::Error as StdError;
use std::io::{self, IsTerminal as _, Write as _};

use tracing_subscriber::EnvFilter;
use wayside_harness::Error;

/// Starts the log on stderr: problems by default, more with the environment variable `WAYSIDE_LOG`.
pub(crate) fn start_log() {
    let filter =
        EnvFilter::try_from_env("WAYSIDE_LOG").unwrap_or_else(|_| EnvFilter::new("wayside=warn,wayside_harness=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

/// Prints part of a result; tells whether anybody still reads.
pub(crate) fn result(bytes: &[u8]) -> Result<bool, Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::new("cannot write to standard output").with_source(error)),
    }
}

/// Prints a line for people.
pub(crate) fn note(line: &str) {
    // Nobody is left to be told that stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints a failure: what happened, why, and what to do next.
pub(crate) fn error(error: &Error) {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if said.contains('\n') {
            text.push_str(&format!(":\n{said}"));
        } else {
            text.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    if let Some(help) = error.help() {
        text.push_str(&format!("\nhelp: {help}"));
    }
    note(&text);
}
