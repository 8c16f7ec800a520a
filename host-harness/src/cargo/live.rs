//! Builds for live reload.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::interrupt::Interrupt;
use super::package::{Crate, find, metadata};
use super::place::sorted;
use super::toolchain::not_runnable;
use super::{Profile, Progress, inputs, manifest_in};
use crate::error::Error;

/// The result of one in a series of builds of the same crate.
#[derive(Clone, Debug)]
pub(crate) struct Rebuilt {
    /// A copy of the component, which the next build replaces atomically.
    pub(crate) component: PathBuf,
    /// The files and directories that make cargo build again when they change.
    pub(crate) inputs: Vec<PathBuf>,
}

/// Builds the crate in `dir`. The interrupt can end the build early.
pub(crate) fn rebuild(
    dir: &Path,
    features: &[String],
    progress: Progress,
    interrupt: &Interrupt,
) -> Result<Rebuilt, Error> {
    let this = Crate::read(dir)?;
    let artifact = this.build(Profile::Quick, features, progress, Some(interrupt))?;
    Ok(Rebuilt { component: this.keep(&artifact)?, inputs: inputs::of(&artifact) })
}

/// Removes the artifacts of the given packages from the target directory of the crate in `dir`. Cargo then rebuilds
/// these packages, even if the modification times of their sources have not changed.
pub(crate) fn forget(dir: &Path, features: &[String], packages: &BTreeSet<PathBuf>) -> Result<(), Error> {
    if packages.is_empty() {
        return Ok(());
    }
    let this = Crate::read(dir)?;
    packages.iter().try_for_each(|package| this.forget(features, package))
}

impl Crate {
    /// Removes the artifacts of the package in the directory `package`.
    fn forget(&self, features: &[String], package: &Path) -> Result<(), Error> {
        // A package without a manifest has been deleted. Cargo notices that by itself.
        let Ok(other) = manifest_in(package).and_then(|manifest| metadata(&manifest)) else { return Ok(()) };
        let Some(id) = find(&other, package).map(|package| &package.id.repr) else { return Ok(()) };
        let mut cargo = self.cargo("clean", Profile::Quick, &sorted(features));
        cargo.args(["--quiet", "--package", id]).stdout(Stdio::null());
        // `cargo clean` fails if the crate does not depend on the package. Then there are no artifacts to remove, so
        // its exit status is ignored.
        cargo.stderr(Stdio::null()).status().map_err(|error| not_runnable("cargo", error))?;
        Ok(())
    }
}
