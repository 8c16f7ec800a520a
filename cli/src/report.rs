//! Prints all output of the command.
//!
//! Results go to stdout, messages for people go to stderr. A closed stdout pipe is not an error.
//! Output may contain untrusted text, so control characters are escaped with [`show`]; only [`Raw`] writes exact bytes,
//! unless stdout is a terminal.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use wayside_harness::show::{self, Escaper};
use wayside_harness::{Error, http};

/// Prints a part of a result that is text.
pub(crate) fn text(text: &str) -> Result<bool, Error> {
    write(show::text(text).as_bytes())
}

/// Prints a part of a result that is a JSON document.
pub(crate) fn json(document: &str) -> Result<bool, Error> {
    write(show::json(document).as_bytes())
}

/// Prints a result for programs: as exact bytes to a pipe or a file, as escaped text to a terminal.
#[derive(Debug, Default)]
pub(crate) struct Raw(Option<Escaper>);

impl Raw {
    pub(crate) fn to_stdout() -> Self {
        Self(io::stdout().is_terminal().then(Escaper::default))
    }

    pub(crate) fn print(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        match &mut self.0 {
            Some(escaper) => write(escaper.push(bytes).as_bytes()),
            None => write(bytes),
        }
    }

    /// Prints the bytes of an incomplete character that the output may end with.
    pub(crate) fn finish(mut self) -> Result<bool, Error> {
        match &mut self.0 {
            Some(escaper) => write(escaper.finish().as_bytes()),
            None => Ok(true),
        }
    }
}

/// Prints headers or trailers, one per line.
pub(crate) fn fields(fields: &http::HeaderMap) -> Result<bool, Error> {
    let line =
        |(name, value): (&http::HeaderName, &http::HeaderValue)| format!("{name}: {}\n", show::bytes(value.as_bytes()));
    write(fields.iter().map(line).collect::<String>().as_bytes())
}

/// Writes to stdout. Returns `false` if the reader has closed the pipe.
fn write(bytes: &[u8]) -> Result<bool, Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::new("cannot write to standard output").with_source(error)),
    }
}

/// Prints one line for people.
pub(crate) fn note(line: &str) {
    stderr(&show::line(line));
}

/// Prints lines for people. The caller escapes line breaks in untrusted values, so that a value cannot forge a line.
pub(crate) fn lines(lines: &str) {
    stderr(&show::text(lines));
}

fn stderr(text: &str) {
    // Ignores an error: if stderr is closed, there is nowhere to report it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints the error for invalid arguments, or the requested help.
pub(crate) fn misuse(error: &clap::Error) -> ExitCode {
    let has_control = |arg: OsString| arg.to_str().is_none_or(|arg| show::line(arg) != arg || show::urls(arg) != arg);
    if error.use_stderr() && std::env::args_os().any(has_control) {
        // Prints without clap's colours: the escaping cannot tell their codes from control characters in an argument.
        lines(show::urls(&error.render().to_string()).trim_end());
    } else {
        // Ignores an error, because a closed stdout or stderr does not make the command fail.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}

/// Prints a failure: what failed, why, and what to do next.
pub(crate) fn error(error: &Error) {
    let mut text = format!("error: {}", show::line(&error.to_string()));
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
        text.push_str(&format!("\nhelp: {}", show::line(help)));
    }
    lines(&show::urls(&text));
}
