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

/// The profile of cargo that a component is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The profile `release`: as it is deployed.
    Release,
    /// The profile `dev`: quicker to build, slower to run, with debug information.
    Debug,
}

/// Whether cargo's progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// On stderr, as it comes.
    Shown,
    /// Only if the build fails, within the error.
    Hidden,
}

/// Builds the crate in a directory with these features once a process, whoever asks and however often, and returns the path
/// of a copy of the component that later builds replace as a whole. A build that fails is tried again by the next who asks.
///
/// # Errors
///
/// Fails like [`build`].
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

/// Builds the crate in a directory for the target `wasm32-wasip2`, which is installed if it is missing, and returns the path
/// of the component, as cargo wrote it.
///
/// The features are written as for cargo, `NAME` or `DEPENDENCY/NAME`, and come on top of the default ones. Each set of
/// them is built in a directory of its own below that of the workspace's artifacts, so that the component of one does not
/// take the place of the component of another. So is a workspace whose target directory is configured, because other
/// workspaces may share it, and a package whose library has the name of another in its workspace: cargo mixes them up. Both
/// are below the folder `wayside` of the target directory.
///
/// # Errors
///
/// Fails if the directory holds no crate, the crate does not compile, or makes no component.
pub fn build(dir: &Path, profile: Profile, features: &[String], progress: Progress) -> Result<PathBuf, Error> {
    Crate::read(dir)?.build(profile, features, progress, None)
}

/// Where the component of a target is: a directory is that of a crate, and built with these features; anything else is a
/// file that is built already.
///
/// # Errors
///
/// Fails like [`build`], and where features are asked for of what is built already.
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

/// The manifest of the crate in a directory.
pub(crate) fn manifest_in(dir: &Path) -> Result<PathBuf, Error> {
    let manifest = dir.join("Cargo.toml");
    if manifest.is_file() {
        return Ok(manifest);
    }
    Err(Error::new(format!("the directory `{}` has no Cargo.toml", dir.display()))
        .with_help("name the directory of a crate, or a `.wasm` file"))
}

/// What a program said on stderr.
#[derive(Debug)]
struct Said(String);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for Said {}
