//! The cassette file during a recording.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Redaction;
use super::file::{self, Recorded};
use crate::file::replace;

/// Up to this size in bytes, the cassette file is rewritten at the end of every call. A longer file is rewritten at
/// intervals of [`ONCE_IN_A_WHILE`], because the time for each rewrite grows with the file.
const AT_ONCE_BYTES: usize = 1024 * 1024;
const ONCE_IN_A_WHILE: Duration = Duration::from_secs(1);

/// A cassette that is being written.
pub(super) struct Tape {
    path: PathBuf,
    pub(super) redaction: Redaction,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    /// The calls as TOML, in the order of their starts. An unfinished call is an empty string.
    texts: Vec<String>,
    bytes: usize,
    /// Whether some finished calls are not in the file yet.
    is_behind: bool,
}

impl Tape {
    /// Creates the file, or replaces an existing one.
    pub(super) fn new(path: &Path, redaction: Redaction) -> io::Result<Arc<Self>> {
        replace(path, &file::head(&redaction))?;
        Ok(Arc::new(Self { path: path.to_owned(), redaction, calls: Mutex::default() }))
    }

    /// Reserves the place of a call that begins, and returns its number.
    pub(super) fn start(&self) -> usize {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.texts.push(String::new());
        calls.texts.len() - 1
    }

    /// Adds a call that has ended. Writes the file at once, or after an interval if the file is long.
    pub(super) fn finish(self: &Arc<Self>, number: usize, call: Recorded) {
        let text = file::render(call);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.bytes += text.len();
        calls.texts[number] = text;
        let was_behind = std::mem::replace(&mut calls.is_behind, true);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if calls.bytes > AT_ONCE_BYTES => {
                if !was_behind {
                    let tape = Arc::clone(self);
                    runtime.spawn(async move {
                        tokio::time::sleep(ONCE_IN_A_WHILE).await;
                        tokio::task::spawn_blocking(move || tape.catch_up());
                    });
                }
            }
            _ => self.write(&mut calls),
        }
    }

    fn catch_up(&self) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.is_behind {
            self.write(&mut calls);
        }
    }

    fn write(&self, calls: &mut Calls) {
        calls.is_behind = false;
        if let Err(error) = replace(&self.path, &(file::head(&self.redaction) + &calls.texts.concat())) {
            tracing::error!("cannot write the cassette `{}`: {error}", self.path.display());
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.catch_up();
    }
}
