//! Builds components with cargo.

mod artifact;
#[cfg(feature = "live")]
mod inputs;
mod interrupt;
#[cfg(feature = "live")]
mod live;
mod package;
mod place;
mod toolchain;
#[cfg(feature = "live")]
mod tree;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::Error;
use package::Crate;
use place::sorted;

pub use interrupt::Interrupt;
#[cfg(feature = "live")]
pub(crate) use live::{Rebuilt, forget, rebuild};
#[cfg(feature = "live")]
pub(crate) use tree::{Tree, canonical, tree};

/// The cargo profile that a component is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `release`, as for deployment.
    Release,
    /// `dev`: builds faster, runs slower, with debug information.
    Debug,
    /// `release` with changes that make the next build after an edit fast: incremental, without link-time optimization,
    /// with little other optimization. For live reload. Has its own target directory.
    Quick,
}

/// Whether cargo's progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Shown on stderr while cargo runs.
    Shown,
    /// Hidden. If the build fails, its error contains cargo's output.
    Hidden,
}

/// Builds a crate once per process and set of features. Returns the path of a copy of the component, which later builds
/// replace atomically. After a failed build, the next call builds again.
///
/// # Errors
///
/// Returns the errors of [`build`].
pub async fn build_once(dir: &Path, features: &[String], progress: Progress) -> Result<PathBuf, Error> {
    type Builds = HashMap<(PathBuf, Vec<String>), Arc<OnceCell<PathBuf>>>;
    static BUILDS: Mutex<Option<Builds>> = Mutex::new(None);
    let features = sorted(features);
    let key = (fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()), features.clone());
    let cell = {
        let mut builds = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(builds.get_or_insert_default().entry(key).or_default())
    };
    let dir = dir.to_owned();
    let built = cell.get_or_try_init(|| async {
        let build = move || {
            let this = Crate::read(&dir)?;
            this.keep(&this.build(Profile::Release, &features, progress, None)?)
        };
        match tokio::task::spawn_blocking(build).await {
            Ok(copy) => copy,
            Err(panic) => Err(Error::new("the build panicked").with_source(panic)),
        }
    });
    built.await.cloned()
}

/// Builds a crate for the target `wasm32-wasip2`, and installs the target if it is missing. Returns the path of the
/// component, as cargo wrote it.
///
/// Features are written as for cargo, `NAME` or `DEPENDENCY/NAME`, and are added to the default ones. Each set of
/// features is built in its own directory below the workspace's target directory, so that one component does not
/// replace another. Two kinds of crates also have separate directories, in the folder `wayside` of the target
/// directory. If a target directory is configured, each workspace has one, because several workspaces may share the
/// target directory. A package whose library has the same name as another library of the workspace has one, because
/// cargo writes both libraries to the same file.
///
/// # Errors
///
/// Fails if the directory contains no crate, or if the crate does not compile or its build produces no component.
pub fn build(dir: &Path, profile: Profile, features: &[String], progress: Progress) -> Result<PathBuf, Error> {
    Crate::read(dir)?.build(profile, features, progress, None)
}

/// Returns the path of the component for `target`. If `target` is a directory, builds the crate in it with these
/// features. Otherwise `target` is the component file itself.
///
/// # Errors
///
/// Returns the errors of [`build`], and an error if features are requested for a component file.
pub async fn find_or_build(target: PathBuf, features: &[String], progress: Progress) -> Result<PathBuf, Error> {
    if target.is_dir() { build_once(&target, features, progress).await } else { built_already(target, features) }
}

pub(crate) fn built_already(file: PathBuf, features: &[String]) -> Result<PathBuf, Error> {
    if features.is_empty() {
        return Ok(file);
    }
    Err(Error::new(format!("`{}` is no directory of a crate that could be built with features", file.display()))
        .with_help("name the directory of the crate, or leave the features out"))
}

/// Returns the path of the manifest of the crate in a directory.
pub(crate) fn manifest_in(dir: &Path) -> Result<PathBuf, Error> {
    let manifest = dir.join("Cargo.toml");
    if manifest.is_file() {
        return Ok(manifest);
    }
    Err(Error::new(format!("the directory `{}` has no Cargo.toml", dir.display()))
        .with_help("name the directory of a crate, or a `.wasm` file"))
}

/// The output of a program on stderr.
#[derive(Debug)]
struct Said(String);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for Said {}
