//! The sources of crates and their changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::inputs::{Inputs, Present, package_of};
use super::snapshot::{By, Snapshot};
use super::walk::{Found, walk};
use super::watching::{Interest, Watch};
use crate::Error;
use crate::cargo::{self, Tree};

/// How many times the directories are read at most. They are read again if new ones have appeared in the meantime.
const ROUNDS: usize = 10;

/// The files that configure cargo and the toolchain for the directories below.
const CONFIGURATION: [&str; 4] = [".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"];

/// Watches the sources of crates and of their path dependencies, and the other inputs that cargo lists.
pub(super) struct Sources {
    /// The directories of the crates as the caller named them, unresolved, because a link in a path may change its
    /// target.
    dirs: Vec<PathBuf>,
    /// The crate and its path dependencies, for each of `dirs`.
    trees: Vec<Tree>,
    /// The inputs that cargo listed in the last successful build.
    inputs: Inputs,
    /// Whether the last build succeeded, so that cargo's list is complete.
    is_known: bool,
    watch: Watch,
}

impl Sources {
    pub(super) fn watch(dirs: &[PathBuf]) -> Result<Self, Error> {
        let trees = dirs.iter().map(|dir| cargo::tree(dir).unwrap_or_else(|_| Tree::of_one(dir))).collect();
        let inputs = Inputs::default();
        let mut sources = Self { dirs: dirs.to_vec(), trees, inputs, is_known: false, watch: Watch::new()? };
        let interest = sources.interest(&walk(&sources.trees), &Present::default());
        sources.watch.set(interest)?;
        Ok(sources)
    }

    /// Stores the inputs that cargo listed for a build, or `None` after a failed build. The inputs of the build before
    /// a failed one stay, because one of them may be the cause.
    pub(super) fn built(&mut self, named: Option<Vec<PathBuf>>) {
        self.is_known = named.is_some();
        if let Some(named) = named {
            let artifacts = self.trees.iter().flat_map(|tree| tree.artifacts.clone()).collect();
            self.inputs = Inputs::new(named, artifacts);
        }
    }

    /// Reads all sources, and watches the new ones.
    pub(super) async fn snapshot(&mut self) -> Snapshot {
        if self.trees.iter().zip(&self.dirs).any(|(tree, dir)| tree.dir != cargo::canonical(dir)) {
            self.refresh().await;
        }
        let mut files = BTreeMap::new();
        for _ in 0..ROUNDS {
            let (trees, inputs) = (self.trees.clone(), self.inputs.clone());
            let read = tokio::task::spawn_blocking(move || (walk(&trees), inputs.present()));
            let Ok((found, present)) = read.await else { break };
            let interest = self.interest(&found, &present);
            files = self.files(found, present);
            match self.watch.set(interest) {
                // Reads again, because files may have changed before their directory was watched.
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!("{error}");
                    break;
                }
            }
        }
        tokio::task::spawn_blocking(move || Snapshot::of(files)).await.unwrap_or_default()
    }

    /// Waits until the sources differ from those of the last build, and returns the differing files.
    pub(super) async fn changes(&mut self, mut built: Snapshot, started: SystemTime) -> Vec<PathBuf> {
        // Reads the manifests again, because they say what to watch and may have changed.
        self.refresh().await;
        self.adopt(&mut built, started).await;
        loop {
            let now = self.snapshot().await;
            let changed = self.causes(now.differences(&built));
            if !changed.is_empty() {
                return changed;
            }
            self.watch.wait().await;
        }
    }

    /// Reads again which directories belong to the crates. If a manifest is unreadable, keeps the earlier directories
    /// of its crate.
    async fn refresh(&mut self) {
        for (dir, known) in self.dirs.iter().cloned().zip(&mut self.trees) {
            if let Ok(Ok(tree)) = tokio::task::spawn_blocking(move || cargo::tree(&dir)).await {
                *known = tree;
            }
        }
    }

    /// Updates a snapshot with the files that cargo wrote, which are lock files, and with inputs that it listed for the
    /// first time.
    async fn adopt(&self, snapshot: &mut Snapshot, started: SystemTime) {
        let locks: Vec<PathBuf> = self.trees.iter().map(|tree| tree.lock_file.clone()).collect();
        let (inputs, mut known) = (self.inputs.clone(), mem::take(snapshot));
        let adopt = move || {
            // Does not add a file to the snapshot that was written since the start of the build, because it may differ from the file that
            // was built.
            let is_new = |file: &PathBuf| !known.contains(file) && modified(file).is_some_and(|time| time < started);
            let new: Vec<PathBuf> = inputs.present().files.into_iter().filter(is_new).chain(locks).collect();
            known.adopt(Snapshot::of(new.into_iter().map(|file| (file, By::Content))));
            known
        };
        *snapshot = tokio::task::spawn_blocking(adopt).await.unwrap_or_default();
    }

    /// Returns the files of a snapshot, and how to compare each.
    fn files(&self, found: Found, present: Present) -> BTreeMap<PathBuf, By> {
        let by = |is_crate| if is_crate { By::Content } else { By::Time };
        let found = found.files.into_iter().map(|(file, is_crate)| (file, by(is_crate)));
        let known = present.files.into_iter().chain(self.settings());
        found.chain(known.map(|file| (file, By::Content))).collect()
    }

    /// Returns the manifests, the lock files, and the files that configure cargo and the toolchain.
    fn settings(&self) -> BTreeSet<PathBuf> {
        let mut settings = BTreeSet::new();
        for tree in &self.trees {
            settings.extend(tree.packages.iter().map(|package| package.dir.join("Cargo.toml")));
            settings.extend([tree.manifest.clone(), tree.lock_file.clone()]);
            let above = tree.dir.ancestors();
            settings.extend(above.flat_map(|dir| CONFIGURATION.map(|name| dir.join(name))));
        }
        settings
    }

    fn interest(&self, found: &Found, present: &Present) -> Interest {
        let mut interest = Interest::default();
        for dir in found.dirs.iter().chain(&present.dirs) {
            interest.all_of(dir);
            interest.way_to(dir);
        }
        let ways = self.dirs.iter().chain(self.inputs.named()).chain(&present.files);
        for path in ways.chain(&self.settings()) {
            interest.way_to(path);
        }
        interest
    }

    /// Returns those of the differing files that require a build. If there are any, adds the other Rust files that
    /// differ, which may belong to the same change.
    fn causes(&self, differences: Vec<PathBuf>) -> Vec<PathBuf> {
        let settings = self.settings();
        let is_cause = |file: &PathBuf| settings.contains(file) || self.is_input(file);
        let (mut causes, others): (Vec<_>, Vec<_>) = differences.into_iter().partition(is_cause);
        if !causes.is_empty() {
            causes
                .extend(others.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")));
        }
        causes
    }

    /// Whether a component may depend on this file.
    fn is_input(&self, file: &Path) -> bool {
        // After a failed build, any file may be the missing one.
        if !self.is_known || self.inputs.contains(file) || file.file_name().is_some_and(|name| name == "Cargo.toml") {
            return true;
        }
        let mut packages = self.trees.iter().flat_map(|tree| &tree.packages);
        packages.any(|package| {
            // If a build script lists no inputs, cargo runs it again after a change of any file of its package.
            package.has_build_script && file.starts_with(&package.dir) || package.dir.join("build.rs") == file
        })
    }
}

/// Returns the directories of packages with changes that cargo would not notice: the content of a file differs, but its
/// modification time is before the last build. This happens if the file was moved there, or if a link changed its
/// target.
pub(super) fn overlooked(changed: &[PathBuf], started: SystemTime) -> BTreeSet<PathBuf> {
    let is_older = |file: &&PathBuf| modified(file).is_some_and(|time| time <= started);
    changed.iter().filter(is_older).filter_map(|file| package_of(file.parent()?)).collect()
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}
