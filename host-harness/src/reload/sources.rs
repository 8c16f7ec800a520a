//! The sources of crates: what belongs to them, and when it changes.

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

/// Watches the sources of crates and of those that they depend on by path.
pub(super) struct Sources {
    dirs: Vec<PathBuf>,
    /// One for each directory.
    trees: Vec<Tree>,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    touched: Arc<Notify>,
}

/// What was in the sources at one moment: a digest of each file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, u64>);

impl Sources {
    pub(super) fn watch(dirs: &[PathBuf]) -> Result<Self, Error> {
        for dir in dirs {
            cargo::manifest_in(dir)?;
        }
        let dirs: Vec<PathBuf> = dirs.iter().map(|dir| fs::canonicalize(dir).unwrap_or_else(|_| dir.clone())).collect();
        let touched = Arc::new(Notify::new());
        let tell = Arc::clone(&touched);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is no change; after an error, anything may have changed.
            if event.map_or(true, |event| !event.kind.is_access()) {
                tell.notify_one();
            }
        });
        let watcher = watcher.map_err(unwatchable)?;
        let trees = dirs.iter().map(|dir| cargo::tree(dir).unwrap_or_else(|_| Tree::of_one(dir))).collect();
        let mut sources = Self { dirs, trees, watcher, watched: HashSet::new(), touched };
        let (dirs, _) = walk(&sources.trees);
        sources.add(dirs)?;
        Ok(sources)
    }

    /// Reads again which directories belong to the crates. A manifest that cannot be read leaves its crate as it was.
    pub(super) async fn refresh(&mut self) {
        for (dir, known) in self.dirs.iter().cloned().zip(&mut self.trees) {
            if let Ok(Ok(tree)) = tokio::task::spawn_blocking(move || cargo::tree(&dir)).await {
                *known = tree;
            }
        }
    }

    /// Reads all sources, and watches what is new among them.
    pub(super) async fn snapshot(&mut self) -> Snapshot {
        let trees = self.trees.clone();
        let read = tokio::task::spawn_blocking(move || {
            let (dirs, files) = walk(&trees);
            (dirs, Snapshot(files.into_iter().filter_map(|file| Some((file.clone(), digest(&file)?))).collect()))
        });
        let (dirs, snapshot) = read.await.unwrap_or_default();
        if let Err(error) = self.add(dirs) {
            tracing::warn!("{error}");
        }
        snapshot
    }

    /// Takes the lock files as they are now: cargo writes them while it builds.
    pub(super) async fn adopt_lock_files(&mut self, snapshot: &mut Snapshot) {
        for file in self.trees.iter().map(|tree| tree.lock_file.clone()) {
            let read = tokio::task::spawn_blocking(move || digest(&file).map(|digest| (file, digest)));
            if let Ok(Some((file, digest))) = read.await {
                snapshot.0.insert(file, digest);
            }
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
fn walk(trees: &[Tree]) -> (HashSet<PathBuf>, Vec<PathBuf>) {
    let (mut dirs, mut files) = (HashSet::new(), Vec::new());
    let mut queue: Vec<PathBuf> = trees.iter().flat_map(|tree| &tree.packages).cloned().collect();
    while let Some(dir) = queue.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        if !dirs.insert(dir) {
            continue;
        }
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') || trees.iter().any(|tree| path == tree.target_dir)
            {
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
    for tree in trees {
        files.extend([&tree.manifest, &tree.lock_file].into_iter().filter(|file| file.is_file()).cloned());
        dirs.extend(tree.manifest.parent().map(Path::to_owned));
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
