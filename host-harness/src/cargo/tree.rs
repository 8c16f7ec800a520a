//! The source directories of a crate: its own, and those of its path dependencies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, Package, TargetKind};

use super::package::metadata;
use crate::Error;

/// The local files and directories of a component's build.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// The canonical directory of the crate.
    pub(crate) dir: PathBuf,
    /// The crate and its path dependencies.
    pub(crate) packages: Vec<Source>,
    /// The manifest of the workspace.
    pub(crate) manifest: PathBuf,
    /// The lock file of the workspace, which may be missing.
    pub(crate) lock_file: PathBuf,
    /// The directories that cargo writes to.
    pub(crate) artifacts: Vec<PathBuf>,
}

/// A package in a local directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Its canonical directory.
    pub(crate) dir: PathBuf,
    pub(crate) has_build_script: bool,
}

impl Tree {
    /// Returns cargo's default paths, for a crate whose manifest cannot be read.
    pub(crate) fn of_one(dir: &Path) -> Self {
        let dir = canonical(dir);
        Self {
            packages: vec![Source { dir: dir.clone(), has_build_script: false }],
            manifest: dir.join("Cargo.toml"),
            lock_file: dir.join("Cargo.lock"),
            artifacts: vec![dir.join("target")],
            dir,
        }
    }
}

/// Reads the manifests of the crate in `dir` and of its path dependencies, except dev-dependencies. Fetches no packages
/// and resolves no versions, so this takes only milliseconds.
pub(crate) fn tree(dir: &Path) -> Result<Tree, Error> {
    let root = metadata(&dir.join("Cargo.toml"))?;
    let artifacts = artifacts(&root);
    let workspace = root.workspace_root.as_std_path();
    let mut known = root.packages;
    let mut found = BTreeMap::new();
    let dir = canonical(dir);
    let mut queue = vec![dir.clone()];
    while let Some(dir) = queue.pop() {
        if found.contains_key(&dir) {
            continue;
        }
        let manifest = dir.join("Cargo.toml");
        if package(&known, &manifest).is_none() {
            // A package with an unreadable manifest is listed too, so that its directory is watched. The build reports
            // the error.
            known.extend(metadata(&manifest).map(|other| other.packages).unwrap_or_default());
        }
        let package = package(&known, &manifest);
        let targets = package.into_iter().flat_map(|package| &package.targets);
        let has_build_script = targets.flat_map(|target| &target.kind).any(|kind| *kind == TargetKind::CustomBuild);
        found.insert(dir.clone(), Source { dir, has_build_script });
        let dependencies = package.into_iter().flat_map(|package| &package.dependencies);
        let dependencies = dependencies.filter(|dependency| dependency.kind != DependencyKind::Development);
        queue.extend(
            dependencies.filter_map(|dependency| dependency.path.as_ref()).map(|path| canonical(path.as_std_path())),
        );
    }
    Ok(Tree {
        packages: found.into_values().collect(),
        manifest: workspace.join("Cargo.toml"),
        lock_file: workspace.join("Cargo.lock"),
        artifacts,
        dir,
    })
}

/// Returns the target directories of a workspace.
fn artifacts(metadata: &Metadata) -> Vec<PathBuf> {
    let dirs = std::iter::once(&metadata.target_directory).chain(&metadata.build_directory);
    dirs.map(|dir| canonical(dir.as_std_path())).collect()
}

fn package<'a>(known: &'a [Package], manifest: &Path) -> Option<&'a Package> {
    known.iter().find(|package| canonical(package.manifest_path.as_std_path()) == manifest)
}

pub(crate) fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_on_the_path_belong_to_a_tree_and_those_of_tests_do_not() {
        let root = canonical(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let tree = tree(&root.join("examples/axum")).unwrap();
        let dirs: Vec<&Path> = tree.packages.iter().map(|package| package.dir.as_path()).collect();
        assert_eq!(dirs, [root.join("examples/axum"), root.join("macros"), root.join("sdk")]);
        assert_eq!(tree.manifest, root.join("Cargo.toml"));
    }
}
