//! The files and directories that cargo builds a component from, inside and outside of its crate.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// The files and directories that cargo listed as inputs of a build.
#[derive(Clone, Debug, Default)]
pub(super) struct Inputs {
    named: BTreeSet<PathBuf>,
    /// Target directories, which contain no sources even below a listed directory.
    artifacts: Vec<PathBuf>,
}

/// The inputs of the build that exist at one moment: each file, and each directory.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// The listed files, the files below listed directories, and the manifests of the packages that contain them.
    pub(super) files: BTreeSet<PathBuf>,
    /// The listed directories, and all directories below them.
    pub(super) dirs: BTreeSet<PathBuf>,
}

impl Inputs {
    pub(super) fn new(named: Vec<PathBuf>, artifacts: Vec<PathBuf>) -> Self {
        Self { named: named.into_iter().collect(), artifacts }
    }

    /// The paths that cargo listed, existing or not.
    pub(super) fn named(&self) -> &BTreeSet<PathBuf> {
        &self.named
    }

    /// Whether cargo listed this file, or a directory above it.
    pub(super) fn contains(&self, file: &Path) -> bool {
        file.ancestors().any(|path| self.named.contains(path))
    }

    /// Reads which files and directories the listed directories contain.
    pub(super) fn present(&self) -> Present {
        let mut present = Present::default();
        for path in &self.named {
            if path.is_dir() {
                self.below(path, &mut present);
            } else {
                present.files.insert(path.clone());
            }
        }
        let dirs: BTreeSet<&Path> = self.named.iter().filter_map(|path| path.parent()).collect();
        present.files.extend(dirs.into_iter().filter_map(package_of).map(|dir| dir.join("Cargo.toml")));
        present
    }

    /// Adds all files below a directory, because cargo compares the modification times of all of them.
    fn below(&self, dir: &Path, present: &mut Present) {
        let artifacts = self.artifacts.clone();
        let mut builder = WalkBuilder::new(dir);
        builder
            .standard_filters(false)
            .filter_entry(move |entry| !artifacts.iter().any(|dir| dir == entry.path()) && entry.file_name() != ".git");
        for entry in builder.build().flatten() {
            match entry.file_type() {
                Some(kind) if kind.is_dir() => present.dirs.insert(entry.into_path()),
                _ => present.files.insert(entry.into_path()),
            };
        }
    }
}

/// Returns the directory of the innermost package that contains a directory.
pub(super) fn package_of(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|dir| dir.join("Cargo.toml").is_file()).map(Path::to_owned)
}
