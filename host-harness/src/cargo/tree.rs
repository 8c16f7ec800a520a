//! Where the sources of a crate are: its own, and those of the crates that it depends on by path.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Package};

use super::metadata;
use crate::Error;

/// What a component is made of that somebody may be working on.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// The directories of the crate and of those that it depends on by path.
    pub(crate) packages: Vec<PathBuf>,
    /// The manifest of the workspace.
    pub(crate) manifest: PathBuf,
    /// The lock file of the workspace, which may be missing.
    pub(crate) lock_file: PathBuf,
    /// Where artifacts go.
    pub(crate) target_dir: PathBuf,
}

impl Tree {
    /// What can be said of a crate whose manifest cannot be read.
    pub(crate) fn of_one(dir: &Path) -> Self {
        Self {
            packages: vec![dir.to_owned()],
            manifest: dir.join("Cargo.toml"),
            lock_file: dir.join("Cargo.lock"),
            target_dir: dir.join("target"),
        }
    }
}

/// Reads the manifests from that of a crate on. Nothing is fetched and nothing resolved for it, so that it takes
/// milliseconds; crates that only tests need are left out.
pub(crate) fn tree(dir: &Path) -> Result<Tree, Error> {
    let root = metadata(&dir.join("Cargo.toml"))?;
    let workspace = root.workspace_root.as_std_path();
    let mut known = root.packages;
    let mut found = BTreeSet::new();
    let mut queue = vec![canonical(dir)];
    while let Some(dir) = queue.pop() {
        if !found.insert(dir.clone()) {
            continue;
        }
        let manifest = dir.join("Cargo.toml");
        if package(&known, &manifest).is_none() {
            // One that cannot be read is watched all the same: the build says what is wrong with it.
            let Ok(other) = metadata(&manifest) else { continue };
            known.extend(other.packages);
        }
        let dependencies = package(&known, &manifest).into_iter().flat_map(|package| &package.dependencies);
        let dependencies = dependencies.filter(|dependency| dependency.kind != DependencyKind::Development);
        queue.extend(
            dependencies.filter_map(|dependency| dependency.path.as_ref()).map(|path| canonical(path.as_std_path())),
        );
    }
    Ok(Tree {
        packages: found.into_iter().collect(),
        manifest: workspace.join("Cargo.toml"),
        lock_file: workspace.join("Cargo.lock"),
        target_dir: canonical(root.target_directory.as_std_path()),
    })
}

fn package<'a>(known: &'a [Package], manifest: &Path) -> Option<&'a Package> {
    known.iter().find(|package| canonical(package.manifest_path.as_std_path()) == manifest)
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_on_the_path_belong_to_a_tree_and_those_of_tests_do_not() {
        let root = canonical(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let tree = tree(&root.join("examples/axum")).unwrap();
        assert_eq!(tree.packages, [root.join("examples/axum"), root.join("macros"), root.join("sdk")]);
        assert_eq!(tree.manifest, root.join("Cargo.toml"));
    }
}
