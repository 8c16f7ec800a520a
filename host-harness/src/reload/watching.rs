//! Waits for changes of files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use notify::event::{CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::Error;

/// How long files must stay unchanged before they are read, because editors write in several steps.
const QUIET: Duration = Duration::from_millis(30);
/// How many times [`QUIET`] is waited for at most if files keep changing.
const PATIENCE: u32 = 20;

/// What to watch: all entries of a directory, or those with certain names.
#[derive(Debug, Default)]
pub(super) struct Interest {
    /// The directories of which every entry is watched, by canonical path, because events contain such paths.
    whole: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, BTreeSet<OsString>>,
    /// The paths whose components from the root are in `names`.
    done: HashSet<PathBuf>,
}

impl Interest {
    /// Watches every entry of a directory.
    pub(super) fn all_of(&mut self, dir: &Path) {
        if let Ok(dir) = fs::canonicalize(dir) {
            self.whole.insert(dir);
        }
    }

    /// Watches a file or a directory, and each directory and link on its path, because a directory that is replaced
    /// loses its watch.
    pub(super) fn way_to(&mut self, path: &Path) {
        let mut path = path;
        while let (Some(parent), Some(name)) = (path.parent(), path.components().next_back()) {
            if !self.done.insert(path.to_owned()) {
                return;
            }
            if let Ok(canonical) = fs::canonicalize(parent) {
                self.names.entry(canonical.clone()).or_default().insert(name.as_os_str().to_owned());
                if canonical != parent {
                    self.way_to(&canonical);
                }
            }
            path = parent;
        }
    }

    fn dirs(&self) -> BTreeSet<&PathBuf> {
        self.whole.iter().chain(self.names.keys()).collect()
    }

    fn is_watched(&self, path: &Path) -> bool {
        self.whole.contains(path) || self.names.contains_key(path)
    }

    fn concerns(&self, path: &Path) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return true };
        self.is_watched(path)
            || self.whole.contains(parent)
            || self.names.get(parent).is_some_and(|names| names.contains(name))
    }
}

/// Watches each directory by itself: a recursive watch would include target directories, which are large and always
/// change.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    watched: BTreeMap<PathBuf, Option<Identity>>,
    shared: Arc<WatchState>,
}

#[derive(Default)]
struct WatchState {
    interest: Mutex<Interest>,
    /// Notified when an entry of interest has changed.
    touched: Notify,
    /// Whether a watched directory has been removed, renamed or created, so that its watch may be gone.
    is_stale: AtomicBool,
}

/// The identity of a directory. Another directory at the same path has a different one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    number: u64,
    made: Option<SystemTime>,
}

impl Watch {
    pub(super) fn new() -> Result<Self, Error> {
        let shared = Arc::new(WatchState::default());
        Ok(Self { watcher: watcher(&shared)?, watched: BTreeMap::new(), shared })
    }

    /// Watches exactly these paths from now on. Returns whether a directory was added, whose content may have changed
    /// before it was watched.
    pub(super) fn set(&mut self, interest: Interest) -> Result<bool, Error> {
        let wanted: Vec<(PathBuf, bool)> =
            interest.dirs().into_iter().map(|dir| (dir.clone(), interest.whole.contains(dir))).collect();
        *self.shared.interest.lock().unwrap_or_else(PoisonError::into_inner) = interest;
        let is_stale = self.shared.is_stale.swap(false, Ordering::AcqRel);
        let is_another = |(dir, before): (&PathBuf, &Option<Identity>)| {
            wanted.iter().any(|(wanted, _)| wanted == dir) && identity(dir) != *before
        };
        if is_stale || self.watched.iter().any(is_another) {
            // Creates a new watcher, because the old one would still react to earlier events of the directories.
            self.watcher = watcher(&self.shared)?;
            self.watched.clear();
        }
        let gone: Vec<PathBuf> =
            self.watched.keys().filter(|dir| !wanted.iter().any(|(wanted, _)| wanted == *dir)).cloned().collect();
        for dir in gone {
            // Fails for a directory that has been removed, because it has no watch any more.
            let _ = self.watcher.unwatch(&dir);
            self.watched.remove(&dir);
        }
        let mut is_new = false;
        for (dir, is_whole) in wanted {
            if self.watched.contains_key(&dir) {
                continue;
            }
            let identity = identity(&dir);
            match self.watcher.watch(&dir, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(dir, identity);
                    is_new = true;
                }
                // Other errors are no failure if the directory is only on a path: this user may not be allowed to read
                // it.
                Err(error) if is_whole && !matches!(error.kind, notify::ErrorKind::PathNotFound) => {
                    return Err(unwatchable(error));
                }
                Err(_) => {}
            }
        }
        Ok(is_new)
    }

    /// Waits for an event, and then until there are no more events for a moment.
    pub(super) async fn wait(&mut self) {
        self.shared.touched.notified().await;
        for _ in 0..PATIENCE {
            if tokio::time::timeout(QUIET, self.shared.touched.notified()).await.is_err() {
                break;
            }
        }
    }
}

fn watcher(shared: &Arc<WatchState>) -> Result<RecommendedWatcher, Error> {
    let shared = Arc::clone(shared);
    notify::recommended_watcher(move |event: notify::Result<Event>| shared.observe(event)).map_err(unwatchable)
}

impl WatchState {
    fn observe(&self, event: notify::Result<Event>) {
        let interest = self.interest.lock().unwrap_or_else(PoisonError::into_inner);
        let (concerns, is_stale) = match &event {
            // Reads are not changes.
            Ok(event) if event.kind.is_access() => (false, false),
            Ok(event) if event.need_rescan() || event.paths.is_empty() => (true, true),
            Ok(event) => (
                event.paths.iter().any(|path| interest.concerns(path)),
                moves(&event.kind) && event.paths.iter().any(|path| interest.is_watched(path)),
            ),
            // It is unknown what changed.
            Err(_) => (true, true),
        };
        if is_stale {
            self.is_stale.store(true, Ordering::Release);
        }
        if concerns {
            self.touched.notify_one();
        }
    }
}

/// Whether an event of this kind may mean that a directory was replaced or removed.
fn moves(kind: &EventKind) -> bool {
    let makes_a_file = matches!(kind, EventKind::Create(CreateKind::File));
    let moves = matches!(kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
    moves && !makes_a_file
}

fn identity(dir: &Path) -> Option<Identity> {
    let metadata = fs::metadata(dir).ok()?;
    Some(Identity { number: number(&metadata), made: metadata.created().ok() })
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_metadata: &Metadata) -> u64 {
    0
}

fn unwatchable(error: notify::Error) -> Error {
    let help = match error.kind {
        notify::ErrorKind::MaxFilesWatch => "raise the limit of the system, on Linux `fs.inotify.max_user_watches`",
        _ => "`wayside serve` serves the crate without watching it",
    };
    Error::new("cannot watch the sources of the crate").with_help(help).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_file_leads_through_each_directory_and_link() {
        let dir = fs::canonicalize(std::env::temp_dir()).unwrap().join(format!("wayside-way-{}", std::process::id()));
        fs::create_dir_all(dir.join("real/inner")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("real", dir.join("link")).unwrap();
        #[cfg(unix)]
        {
            let mut interest = Interest::default();
            interest.way_to(&dir.join("link/inner/file"));
            for path in ["link", "real", "real/inner", "real/inner/file"] {
                assert!(interest.concerns(&dir.join(path)), "{path}: {interest:?}");
            }
            assert!(!interest.concerns(&dir.join("other")));
            assert!(!interest.concerns(&dir.join("real/inner/other")));
        }
        let mut interest = Interest::default();
        interest.all_of(&dir.join("real"));
        assert!(interest.concerns(&dir.join("real/file")) && !interest.concerns(&dir.join("real/inner/file")));
        fs::remove_dir_all(dir).unwrap();
    }
}
