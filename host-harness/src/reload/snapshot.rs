//! The content of files at one moment.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

/// The size up to which files are compared by content. Larger files are compared by length and modification time.
const READ_BYTES: u64 = 16 * 1024 * 1024;

/// A digest of each file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, u64>);

/// How a file is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Content,
    /// By length and modification time, for files that may be numerous.
    Time,
}

impl Snapshot {
    /// Reads files. Leaves out those that the output of this process is redirected to, because they change all the
    /// time.
    pub(super) fn of(files: impl IntoIterator<Item = (PathBuf, By)>) -> Self {
        let outputs = outputs();
        let digest = |(file, by): (PathBuf, By)| Some((file.clone(), digest(&file, by, &outputs)?));
        Self(files.into_iter().filter_map(digest).collect())
    }

    /// Returns the files that were added, removed or changed since another snapshot.
    pub(super) fn differences(&self, before: &Self) -> Vec<PathBuf> {
        let here = self.0.iter().filter(|(file, digest)| before.0.get(*file) != Some(digest)).map(|(file, _)| file);
        let gone = before.0.keys().filter(|file| !self.0.contains_key(*file));
        here.chain(gone).cloned().collect()
    }

    pub(super) fn contains(&self, file: &Path) -> bool {
        self.0.contains_key(file)
    }

    /// Copies all entries of another snapshot into this one.
    pub(super) fn adopt(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

fn digest(file: &Path, by: By, outputs: &[FileId]) -> Option<u64> {
    let metadata = fs::metadata(file).ok().filter(Metadata::is_file)?;
    if outputs.contains(&id(&metadata)?) {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    if by == By::Content && metadata.len() <= READ_BYTES {
        fs::read(file).ok()?.hash(&mut hasher);
    } else {
        (metadata.len(), metadata.modified().ok()?).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// The device and the inode of a file, which are the same under each of its names.
type FileId = (u64, u64);

/// The files that standard output and standard error are redirected to.
fn outputs() -> Vec<FileId> {
    let mut outputs = Vec::new();
    if !std::io::stdout().is_terminal() {
        outputs.extend(redirected(std::io::stdout()));
    }
    if !std::io::stderr().is_terminal() {
        outputs.extend(redirected(std::io::stderr()));
    }
    outputs
}

#[cfg(unix)]
fn redirected(stream: impl std::os::fd::AsFd) -> Option<FileId> {
    let file = fs::File::from(stream.as_fd().try_clone_to_owned().ok()?);
    id(&file.metadata().ok().filter(Metadata::is_file)?)
}

#[cfg(unix)]
fn id(metadata: &Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn redirected<T>(_stream: T) -> Option<FileId> {
    None
}

#[cfg(not(unix))]
fn id(_metadata: &Metadata) -> Option<FileId> {
    Some((0, 0))
}
