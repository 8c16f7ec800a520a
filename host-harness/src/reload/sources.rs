//! The sources of a crate: what belongs to it, and when it changes.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::Error;
use crate::cargo::{self, Tree};

/// How long files must be left alone before they are read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(30);
/// How many times that is waited for.
const PATIENCE: u32 = 20;
/// Larger files are told apart by their length and their time.
const READ_BYTES: u64 = 16 * 1024 * 1024;

/// Watches the sources of a crate and of those that it depends on by path.
pub(super) struct Sources {
    dir: PathBuf,
    tree: Tree,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    touched: Arc<Notify>,
}

/// What was in the sources at one moment: a digest of each file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, u64>);

impl Sources {
    pub(super) fn watch(dir: &Path) -> Result<Self, Error> {
        cargo::manifest_in(dir)?;
        let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        let touched = Arc::new(Notify::new());
        let tell = Arc::clone(&touched);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is no change; after an error, anything may have changed.
            if event.map_or(true, |event| !event.kind.is_access()) {
                tell.notify_one();
            }
        });
        let watcher = watcher.map_err(unwatchable)?;
        let tree = cargo::tree(&dir).unwrap_or_else(|_| Tree::of_one(&dir));
        let mut sources = Self { dir, tree, watcher, watched: HashSet::new(), touched };
        let (dirs, _) = walk(&sources.tree);
        sources.add(dirs)?;
        Ok(sources)
    }

    /// Reads again which directories belong to the crate. A manifest that cannot be read leaves it as it was.
    pub(super) async fn refresh(&mut self) {
        let dir = self.dir.clone();
        if let Ok(Ok(tree)) = tokio::task::spawn_blocking(move || cargo::tree(&dir)).await {
            self.tree = tree;
        }
    }

    /// Reads all sources, and watches what is new among them.
    pub(super) async fn snapshot(&mut self) -> Snapshot {
        let tree = self.tree.clone();
        let read = tokio::task::spawn_blocking(move || {
            let (dirs, files) = walk(&tree);
            (dirs, Snapshot(files.into_iter().filter_map(|file| Some((file.clone(), digest(&file)?))).collect()))
        });
        let (dirs, snapshot) = read.await.unwrap_or_default();
        if let Err(error) = self.add(dirs) {
            tracing::warn!("{error}");
        }
        snapshot
    }

    /// Takes the lock file as it is now: cargo writes it while it builds.
    pub(super) async fn adopt_lock_file(&mut self, snapshot: &mut Snapshot) {
        let file = self.tree.lock_file.clone();
        let read = tokio::task::spawn_blocking(move || digest(&file).map(|digest| (file, digest)));
        if let Ok(Some((file, digest))) = read.await {
            snapshot.0.insert(file, digest);
        }
    }

    /// Waits until a file was touched, and left alone for a moment.
    pub(super) async fn wait(&mut self) {
        self.touched.notified().await;
        for _ in 0..PATIENCE {
            if tokio::time::timeout(QUIET, self.touched.notified()).await.is_err() {
                break;
            }
        }
    }

    /// Each directory by itself, because the artifacts below one of them are many and always change.
    fn add(&mut self, dirs: HashSet<PathBuf>) -> Result<(), Error> {
        // A directory that went away and came back is another one.
        self.watched.retain(|dir| dirs.contains(dir));
        for dir in dirs {
            if !self.watched.contains(&dir) {
                match self.watcher.watch(&dir, RecursiveMode::NonRecursive) {
                    Ok(()) => _ = self.watched.insert(dir),
                    Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                    Err(error) => return Err(unwatchable(error)),
                }
            }
        }
        Ok(())
    }
}

fn unwatchable(error: notify::Error) -> Error {
    let help = match error.kind {
        notify::ErrorKind::MaxFilesWatch => "raise the limit of the system, on Linux `fs.inotify.max_user_watches`",
        _ => "`wayside serve` serves the crate without watching it",
    };
    Error::new("cannot watch the sources of the crate").with_help(help).with_source(error)
}

impl Snapshot {
    /// The files that are new, gone, or changed since another one.
    pub(super) fn differences(&self, before: &Self) -> Vec<PathBuf> {
        let here = self.0.iter().filter(|(file, digest)| before.0.get(*file) != Some(digest)).map(|(file, _)| file);
        let gone = before.0.keys().filter(|file| !self.0.contains_key(*file));
        here.chain(gone).cloned().collect()
    }
}

/// The directories and the files of the sources. What begins with a dot, artifacts and packages that nothing here depends
/// on are left out.
fn walk(tree: &Tree) -> (HashSet<PathBuf>, Vec<PathBuf>) {
    let (mut dirs, mut files) = (HashSet::new(), Vec::new());
    let mut queue: Vec<PathBuf> = tree.packages.clone();
    while let Some(dir) = queue.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        if !dirs.insert(dir) {
            continue;
        }
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') || path == tree.target_dir {
                continue;
            }
            // Through links, as the compiler does.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_file() {
                files.push(path);
            } else if metadata.is_dir() && !is_artifacts(&path) && !path.join("Cargo.toml").is_file() {
                queue.push(path);
            }
        }
    }
    files.extend([&tree.manifest, &tree.lock_file].into_iter().filter(|file| file.is_file()).cloned());
    if let Some(root) = tree.manifest.parent() {
        dirs.insert(root.to_owned());
    }
    (dirs, files)
}

/// Whether cargo, or somebody like it, marked the directory as one that can be made anew.
fn is_artifacts(dir: &Path) -> bool {
    dir.join("CACHEDIR.TAG").is_file()
}

fn digest(file: &Path) -> Option<u64> {
    let metadata = fs::metadata(file).ok()?;
    let mut hasher = DefaultHasher::new();
    if metadata.len() <= READ_BYTES {
        fs::read(file).ok()?.hash(&mut hasher);
    } else {
        (metadata.len(), metadata.modified().ok()?).hash(&mut hasher);
    }
    Some(hasher.finish())
}
