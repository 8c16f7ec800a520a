//! Finds the files of crates that a user may edit.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::GitignoreBuilder;
use ignore::{DirEntry, WalkBuilder};

use crate::cargo::Tree;

/// How many entries are read at most of directories outside of the crates, to which links lead.
const LINKED_ENTRIES: usize = 10_000;

/// The files and directories that were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The directories that were read.
    pub(super) dirs: BTreeSet<PathBuf>,
    /// The files, and whether each is in the directory of a crate. Files that are not were found by following links.
    pub(super) files: BTreeMap<PathBuf, bool>,
}

/// Reads the directories of the crates. Leaves out files that git ignores, hidden files, logs, artifacts, and packages
/// that these crates do not depend on. Follows links to directories, unless the directory that a link leads to contains
/// a crate.
pub(super) fn walk(trees: &[Tree]) -> Found {
    let roots: Vec<PathBuf> = trees.iter().flat_map(|tree| &tree.packages).map(|package| package.dir.clone()).collect();
    let artifacts: Arc<[PathBuf]> = trees.iter().flat_map(|tree| tree.artifacts.clone()).collect();
    let mut walk = Walk {
        roots,
        artifacts,
        seen: HashSet::new(),
        links: Vec::new(),
        entries_left: LINKED_ENTRIES,
        found: Found::default(),
    };
    for root in walk.roots.clone() {
        walk.read(&root, true);
    }
    while let Some(link) = walk.links.pop() {
        if walk.may_follow(&link) {
            walk.read(&link, false);
        }
    }
    walk.found
}

struct Walk {
    roots: Vec<PathBuf>,
    artifacts: Arc<[PathBuf]>,
    /// The directories that have been read, by canonical path.
    seen: HashSet<PathBuf>,
    /// The links to directories that have not been followed yet.
    links: Vec<PathBuf>,
    entries_left: usize,
    found: Found,
}

impl Walk {
    fn read(&mut self, root: &Path, is_crate: bool) {
        let artifacts = Arc::clone(&self.artifacts);
        let mut builder = WalkBuilder::new(root);
        // Applies `.gitignore` even outside of a git repository, as before `git init`.
        builder.require_git(false).ignore(false).parents(!is_ignored(root)).follow_links(false);
        builder.filter_entry(move |entry| entry.depth() == 0 || is_part(entry, &artifacts));
        for entry in builder.build().flatten() {
            if !is_crate {
                let Some(left) = self.entries_left.checked_sub(1) else { return };
                self.entries_left = left;
            }
            // Follows links, as the compiler does.
            let Ok(metadata) = fs::metadata(entry.path()) else { continue };
            let is_link = entry.depth() > 0 && entry.path_is_symlink();
            if metadata.is_file() {
                if entry.path().extension().is_none_or(|extension| extension != "log") {
                    self.found.files.entry(entry.into_path()).or_insert(is_crate);
                }
            } else if metadata.is_dir() && is_link {
                self.links.push(entry.into_path());
            } else if metadata.is_dir() {
                self.seen.extend(fs::canonicalize(entry.path()));
                self.found.dirs.insert(entry.into_path());
            }
        }
    }

    /// Whether to follow a link. Its target must not have been read yet, and must be neither a package nor a target
    /// directory. It must not contain a crate either, because a directory around a crate may contain any
    /// number of unrelated files.
    fn may_follow(&self, link: &Path) -> bool {
        let Ok(target) = fs::canonicalize(link) else { return false };
        !self.seen.contains(&target)
            && !self.roots.iter().any(|root| root.starts_with(&target))
            && !self
                .artifacts
                .iter()
                .any(|dir| target.starts_with(dir) && !self.roots.iter().any(|root| root.starts_with(dir)))
            && !is_apart(&target)
    }
}

/// Whether an entry may be a source file or a directory of source files.
fn is_part(entry: &DirEntry, artifacts: &[PathBuf]) -> bool {
    let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
    !is_dir || !artifacts.iter().any(|dir| dir == entry.path()) && !is_apart(entry.path())
}

/// Whether a directory is a package, or is marked as a cache. Cargo marks target directories in this way.
fn is_apart(dir: &Path) -> bool {
    dir.join("Cargo.toml").is_file() || dir.join("CACHEDIR.TAG").is_file()
}

/// Whether git ignores a whole crate, for example because the crate is below `target`. The ignore rules of the
/// directories above it then do not apply to its files.
fn is_ignored(root: &Path) -> bool {
    for dir in root.ancestors().skip(1) {
        let mut builder = GitignoreBuilder::new(dir);
        builder.add(dir.join(".gitignore"));
        let rules = builder.build();
        if rules.is_ok_and(|rules| rules.matched_path_or_any_parents(root, true).is_ignore()) {
            return true;
        }
        if dir.join(".git").exists() {
            break;
        }
    }
    false
}
