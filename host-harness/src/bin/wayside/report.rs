//! Everything that the command prints.
//!
//! Results go to stdout, everything for people to stderr. A reader that closes its end is no error.

use std::error::Error as StdError;
use std::io::{self, Write as _};

use wayside_harness::Error;

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
