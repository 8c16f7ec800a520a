//! Builds components with cargo.

mod artifact;
mod place;
mod toolchain;
mod tree;

use std::collections::HashMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use cargo_metadata::{Metadata, MetadataCommand, Package};
use tokio::sync::OnceCell;

use crate::Error;
use place::sorted;
use toolchain::{TARGET, cargo, ensure_target, not_runnable};

pub(crate) use tree::{Tree, tree};

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
        match tokio::task::spawn_blocking(move || build_and_keep(&dir, &features, progress)).await {
            Ok(built) => built,
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
    run(dir, profile, features, progress).map(|built| built.wasm)
}

/// Builds as [`build_once`] does, but each time, in the profile `release`.
pub(crate) fn build_and_keep(dir: &Path, features: &[String], progress: Progress) -> Result<PathBuf, Error> {
    let built = run(dir, Profile::Release, features, progress)?;
    artifact::keep(&built.wasm, &built.package)
}

/// What cargo built.
struct Built {
    /// The component, as cargo wrote it.
    wasm: PathBuf,
    /// The name of its package.
    package: String,
}

fn run(dir: &Path, profile: Profile, features: &[String], progress: Progress) -> Result<Built, Error> {
    let manifest = manifest_in(dir)?;
    ensure_target()?;
    let metadata = metadata(&manifest)?;
    let package = library(&metadata, dir)?;
    let mut cargo = command(dir, package, profile, progress);
    let features = sorted(features);
    if !features.is_empty() {
        cargo.args(["--features", &features.join(",")]);
    }
    if let Some(target_dir) = place::target_dir(&metadata, package, &features) {
        // The configuration may name another directory for intermediate artifacts.
        cargo.arg("--target-dir").arg(&target_dir).env("CARGO_BUILD_BUILD_DIR", &target_dir);
    }
    let mut child = cargo.spawn().map_err(|error| not_runnable("cargo", error))?;
    let stderr = child.stderr.take().map(|stderr| std::thread::spawn(move || io::read_to_string(stderr)));
    let stdout = child.stdout.take();
    let artifact = stdout.and_then(|stdout| artifact::find(BufReader::new(stdout), &package.id));
    let status = child.wait().map_err(|error| not_runnable("cargo", error))?;
    let said = stderr.and_then(|reader| reader.join().ok()?.ok()).unwrap_or_default();
    if !status.success() {
        let error = Error::new(format!("the crate in `{}` does not compile", dir.display()))
            .with_help("mend what the compiler says, and try again");
        return Err(if said.is_empty() { error } else { error.with_source(Said(said)) });
    }
    let wasm = artifact.ok_or_else(|| {
        Error::new(format!("the build of `{}` made no `.wasm` file", dir.display()))
            .with_help("add `crate-type = [\"cdylib\"]` to the `[lib]` section of its Cargo.toml")
    })?;
    Ok(Built { wasm, package: package.name.to_string() })
}

fn command(dir: &Path, package: &Package, profile: Profile, progress: Progress) -> Command {
    let mut cargo = Command::new(cargo());
    cargo
        // There, so that the configuration and the toolchain are those of the crate.
        .current_dir(dir)
        .args(["build", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        // By its id, because another package of the tree may have its name. Without `--lib`, a binary with the name of the
        // library would take the place of the component.
        .args(["--lib", "--package", &package.id.repr])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    match progress {
        Progress::Shown => cargo.stderr(Stdio::inherit()),
        // What is left is what the compiler has to say.
        Progress::Hidden => cargo.arg("--quiet").stderr(Stdio::piped()),
    };
    cargo
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

fn metadata(manifest: &Path) -> Result<Metadata, Error> {
    let dir = manifest.parent().unwrap_or(Path::new("."));
    MetadataCommand::new().cargo_path(cargo()).current_dir(dir).no_deps().exec().map_err(|error| {
        let source = match error {
            cargo_metadata::Error::Io(error) => return not_runnable("cargo", error),
            cargo_metadata::Error::CargoMetadata { stderr } => Said(stderr).into(),
            other => Box::<dyn std::error::Error + Send + Sync>::from(other),
        };
        Error::new(format!("cannot read `{}`", manifest.display()))
            .with_help("mend what cargo says, and try again")
            .with_source(source)
    })
}

/// The package in the directory, if it can become a component.
fn library<'a>(metadata: &'a Metadata, dir: &Path) -> Result<&'a Package, Error> {
    let wanted = fs::canonicalize(dir.join("Cargo.toml")).ok();
    let package = metadata.packages.iter().find(|package| fs::canonicalize(&package.manifest_path).ok() == wanted);
    let Some(package) = package else {
        return Err(Error::new(format!("`{}` is a workspace without a package of its own", dir.display()))
            .with_help("name the directory of one of its members"));
    };
    if place::component_name(package).is_none() {
        return Err(Error::new(format!("the crate `{}` makes no component", package.name))
            .with_help("add `crate-type = [\"cdylib\"]` to the `[lib]` section of its Cargo.toml"));
    }
    Ok(package)
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
