//! A key-value store in a file.
//!
//! The file is a journal: a line of JSON for each change, in order. Opening the store reads all lines, and writes the
//! file anew with one line per entry if most of them are out of date.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::memory::Memory;
use super::{Backend, BackendFuture, Failure, Page};
use crate::Error;
use crate::file::{read, replace};

/// The largest journal that can be opened, in bytes.
const LIMIT_BYTES: u64 = 1024 * 1024 * 1024;
/// Opening a journal writes it anew if it has more than this many lines per entry.
const STALE: usize = 2;

#[derive(Debug)]
pub(super) struct FileStore {
    path: PathBuf,
    memory: Memory,
    journal: Mutex<File>,
}

/// A line of the journal. A change without a value deletes the key.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Change {
    bucket: String,
    key: String,
    /// A value that is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Any other value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl Change {
    fn set(bucket: &str, key: &str, value: &[u8]) -> Self {
        let text = std::str::from_utf8(value).ok().map(ToOwned::to_owned);
        let value_base64 = text.is_none().then(|| BASE64_STANDARD.encode(value));
        Self { bucket: bucket.to_owned(), key: key.to_owned(), value: text, value_base64 }
    }

    fn delete(bucket: &str, key: &str) -> Self {
        Self { bucket: bucket.to_owned(), key: key.to_owned(), value: None, value_base64: None }
    }

    fn apply(self, memory: &Memory) -> Result<(), String> {
        let value = match (self.value, self.value_base64) {
            (Some(_), Some(_)) => return Err("it has both a `value` and a `value-base64`".to_owned()),
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => {
                BASE64_STANDARD.decode(text).map_err(|error| format!("its `value-base64` is no base64: {error}"))?
            }
            (None, None) => {
                memory.delete_many(&self.bucket, &[self.key]);
                return Ok(());
            }
        };
        memory.set_many(&self.bucket, vec![(self.key, value)]).map_err(|failure| failure.to_string())
    }
}

impl FileStore {
    /// Opens the file, which is created if it does not exist.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            Error::new(format!("cannot open the key-value store `{}`", path.display()))
                .with_help("name a file that can be read and written, in a directory that exists")
                .with_source(error)
        };
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let journal = options.open(path).map_err(failed)?;
        if let Err(std::fs::TryLockError::WouldBlock) = journal.try_lock() {
            return Err(Error::new(format!("the key-value store `{}` is in use", path.display()))
                .with_help("end the other command that has it open, or name another file"));
        }
        let memory = Memory::default();
        let bytes = read(path, LIMIT_BYTES).map_err(failed)?;
        let lines = load(&bytes, &memory).map_err(|(line, what)| {
            Error::new(format!("the key-value store `{}` cannot be understood, line {line}: {what}", path.display()))
                .with_help("mend the line or remove it: each is a JSON object with `bucket`, `key` and `value`")
        })?;
        let store = Self { path: path.to_owned(), memory, journal: Mutex::new(journal) };
        let is_cut = bytes.last().is_some_and(|byte| *byte != b'\n');
        if is_cut || lines > STALE * store.memory.len() {
            store.rewrite().map_err(failed)?;
        }
        Ok(store)
    }

    /// Writes the journal anew, with one line per entry. Overwrites the file instead of replacing it, because a new
    /// file would not be locked.
    fn rewrite(&self) -> io::Result<()> {
        let changes = self.memory.entries().map(|(bucket, key, value)| Change::set(&bucket, &key, &value));
        let text: String = changes.map(|change| line(&change)).collect();
        // A copy beside the journal keeps the entries if the process ends after emptying the journal and before writing
        // it.
        let beside = self.path.with_extension("rewritten");
        replace(&beside, &text)?;
        let mut journal = self.lock();
        journal.set_len(0)?;
        journal.write_all(text.as_bytes())?;
        std::fs::remove_file(&beside)
    }

    fn lock(&self) -> MutexGuard<'_, File> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes changes in memory and then writes them to the file. Concurrent calls run one after the other, so that the
    /// order of changes is the same in memory and in the file.
    fn change<T>(
        &self,
        make: impl FnOnce(&Memory) -> Result<T, Failure>,
        written: impl FnOnce(&T) -> Vec<Change>,
    ) -> Result<T, Failure> {
        let mut journal = self.lock();
        let made = make(&self.memory)?;
        let text: String = written(&made).iter().map(line).collect();
        journal
            .write_all(text.as_bytes())
            .map_err(|error| Failure(format!("cannot write `{}`: {error}", self.path.display())))?;
        Ok(made)
    }
}

fn line(change: &Change) -> String {
    let mut line = serde_json::to_string(change).expect("a change consists of texts");
    line.push('\n');
    line
}

/// Applies the lines of a journal, and returns their number. The last line may be cut, because the process ended while
/// it was written; it is then left out. An invalid line fails with its number and the reason.
fn load(bytes: &[u8], memory: &Memory) -> Result<usize, (usize, String)> {
    let mut lines = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let whole = line.ends_with(b"\n");
        if line.trim_ascii().is_empty() {
            continue;
        }
        let change = match serde_json::from_slice::<Change>(line) {
            Ok(change) => change,
            Err(_) if !whole => continue,
            Err(error) => return Err((index + 1, error.to_string())),
        };
        change.apply(memory).map_err(|what| (index + 1, what))?;
        lines += 1;
    }
    Ok(lines)
}

impl Backend for FileStore {
    fn get_many<'a>(&'a self, bucket: &'a str, keys: &'a [String]) -> BackendFuture<'a, Vec<Option<Vec<u8>>>> {
        Backend::get_many(&self.memory, bucket, keys)
    }

    fn set_many<'a>(&'a self, bucket: &'a str, pairs: Vec<(String, Vec<u8>)>) -> BackendFuture<'a, ()> {
        Box::pin(async move {
            let changes = pairs.iter().map(|(key, value)| Change::set(bucket, key, value)).collect();
            self.change(|memory| memory.set_many(bucket, pairs), |()| changes)
        })
    }

    fn delete_many<'a>(&'a self, bucket: &'a str, keys: &'a [String]) -> BackendFuture<'a, ()> {
        Box::pin(async move {
            self.change(
                |memory| {
                    memory.delete_many(bucket, keys);
                    Ok(())
                },
                |()| keys.iter().map(|key| Change::delete(bucket, key)).collect(),
            )
        })
    }

    fn exists<'a>(&'a self, bucket: &'a str, key: &'a str) -> BackendFuture<'a, bool> {
        Backend::exists(&self.memory, bucket, key)
    }

    fn keys<'a>(&'a self, bucket: &'a str, cursor: u64) -> BackendFuture<'a, Page> {
        Backend::keys(&self.memory, bucket, cursor)
    }

    fn increment<'a>(&'a self, bucket: &'a str, key: &'a str, delta: u64) -> BackendFuture<'a, u64> {
        Box::pin(async move {
            let written = |sum: &u64| vec![Change::set(bucket, key, sum.to_string().as_bytes())];
            self.change(|memory| memory.increment(bucket, key, delta), written)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entry = (String, String, Vec<u8>);

    fn loaded(text: &str) -> Result<Vec<Entry>, (usize, String)> {
        let memory = Memory::default();
        load(text.as_bytes(), &memory)?;
        Ok(memory.entries().collect())
    }

    #[test]
    fn a_journal_gives_the_last_value_of_each_key() {
        let text: String = [
            Change::set("b", "k", b"one"),
            Change::set("b", "l", &[0xff]),
            Change::set("b", "k", b"two"),
            Change::set("b", "gone", b""),
            Change::delete("b", "gone"),
        ]
        .iter()
        .map(line)
        .collect();
        let entry = |key: &str, value: &[u8]| ("b".to_owned(), key.to_owned(), value.to_vec());
        assert_eq!(loaded(&text).unwrap(), [entry("k", b"two"), entry("l", &[0xff])]);
    }

    #[test]
    fn a_journal_cut_at_any_byte_keeps_every_whole_line() {
        let first = line(&Change::set("b", "k", b"one"));
        let text = first.clone() + &line(&Change::set("b", "l", b"two"));
        for end in first.len()..text.len() - 1 {
            assert_eq!(loaded(&text[..end]).unwrap().len(), if end == text.len() - 1 { 2 } else { 1 }, "{end}");
        }
        assert_eq!(loaded(&text).unwrap().len(), 2);
    }

    #[test]
    fn an_invalid_line_is_named() {
        let good = line(&Change::set("b", "k", b"one"));
        for (bad, why) in [
            ("nonsense\n", "expected ident"),
            ("{\"bucket\":\"b\"}\n", "missing field `key`"),
            ("{\"bucket\":\"b\",\"key\":\"k\",\"value-base64\":\"!\"}\n", "is no base64"),
            ("{\"bucket\":\"b\",\"key\":\"k\",\"value\":\"\",\"value-base64\":\"\"}\n", "both"),
        ] {
            let (number, what) = loaded(&format!("{good}\n{bad}{good}")).unwrap_err();
            assert_eq!(number, 3);
            assert!(what.contains(why), "{what}");
        }
    }
}
