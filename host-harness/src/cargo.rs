//! Builds components with cargo.

mod tree;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs, io};

use cargo_metadata::{CrateType, Message, Metadata, MetadataCommand};
use tokio::sync::OnceCell;

use crate::Error;

pub(crate) use tree::{Tree, tree};

/// The target that components are built for.
const TARGET: &str = "wasm32-wasip2";

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

/// Builds the crate in a directory with these features once a process, whoever asks and however often, and tells where
/// the component is. A build that fails is tried again by the next who asks.
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
        match tokio::task::spawn_blocking(move || build(&dir, Profile::Release, &features, progress)).await {
            Ok(built) => built,
            Err(panic) => Err(Error::new("the build panicked").with_source(panic)),
        }
    });
    built.await.cloned()
}

/// Builds the crate in a directory for the target `wasm32-wasip2`, which is installed if it is missing.
///
/// The features are written as for cargo, `NAME` or `DEPENDENCY/NAME`, and come on top of the default ones. Each set of
/// them is built in a directory of its own below that of the workspace's artifacts, so that the component of one does not
/// take the place of the component of another.
///
/// # Errors
///
/// Fails if the directory holds no crate, the crate does not compile, or makes no component.
pub fn build(dir: &Path, profile: Profile, features: &[String], progress: Progress) -> Result<PathBuf, Error> {
    let manifest = manifest_in(dir)?;
    ensure_target()?;
    let metadata = metadata(&manifest)?;
    let package = library(&metadata, dir)?;
    let mut cargo = Command::new(cargo());
    cargo
        // There, so that the configuration and the toolchain are those of the crate.
        .current_dir(dir)
        .args(["build", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        // By its id: another package of the tree may have its name.
        .args(["--package", &package.id.repr])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    if !features.is_empty() {
        let features = sorted(features);
        let target_dir = metadata.target_directory.join("features").join(folder_name(&features));
        cargo.args(["--features", &features.join(",")]).arg("--target-dir").arg(target_dir);
    }
    match progress {
        Progress::Shown => cargo.stderr(Stdio::inherit()),
        // What is left is what the compiler has to say.
        Progress::Hidden => cargo.arg("--quiet").stderr(Stdio::piped()),
    };
    let mut child = cargo.spawn().map_err(|error| not_runnable("cargo", error))?;
    let stderr = child.stderr.take().map(|stderr| std::thread::spawn(move || io::read_to_string(stderr)));
    let stdout = child.stdout.take();
    let artifact = stdout.and_then(|stdout| artifact(BufReader::new(stdout), &package.id));
    let status = child.wait().map_err(|error| not_runnable("cargo", error))?;
    let said = stderr.and_then(|reader| reader.join().ok()?.ok()).unwrap_or_default();
    if !status.success() {
        let error = Error::new(format!("the crate in `{}` does not compile", dir.display()))
            .with_help("mend what the compiler says, and try again");
        return Err(if said.is_empty() { error } else { error.with_source(Said(said)) });
    }
    artifact.ok_or_else(|| {
        Error::new(format!("the build of `{}` made no `.wasm` file", dir.display()))
            .with_help("add `crate-type = [\"cdylib\"]` to the `[lib]` section of its Cargo.toml")
    })
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

/// The same set of features in the same order, however it was given.
fn sorted(features: &[String]) -> Vec<String> {
    let mut features = features.to_vec();
    features.sort_unstable();
    features.dedup();
    features
}

/// A set of features as the name of a folder: what no system takes there is written with characters that features lack.
fn folder_name(features: &[String]) -> String {
    features.join(",").replace('/', "@").replace('?', "!")
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

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn not_runnable(program: &str, error: io::Error) -> Error {
    Error::new(format!("cannot run `{program}`"))
        .with_help("install Rust from https://rustup.rs, or put it into PATH")
        .with_source(error)
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
fn library<'a>(metadata: &'a Metadata, dir: &Path) -> Result<&'a cargo_metadata::Package, Error> {
    let wanted = fs::canonicalize(dir.join("Cargo.toml")).ok();
    let package = metadata.packages.iter().find(|package| fs::canonicalize(&package.manifest_path).ok() == wanted);
    let Some(package) = package else {
        return Err(Error::new(format!("`{}` is a workspace without a package of its own", dir.display()))
            .with_help("name the directory of one of its members"));
    };
    let is_component = package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib));
    if !is_component {
        return Err(Error::new(format!("the crate `{}` makes no component", package.name))
            .with_help("add `crate-type = [\"cdylib\"]` to the `[lib]` section of its Cargo.toml"));
    }
    Ok(package)
}

/// Finds the component among cargo's messages.
fn artifact(messages: impl io::BufRead, package: &cargo_metadata::PackageId) -> Option<PathBuf> {
    let mut found = None;
    // All messages are read even after it is found, or cargo would wait for its reader.
    for message in Message::parse_stream(messages).map_while(Result::ok) {
        if let Message::CompilerArtifact(artifact) = message
            && artifact.package_id == *package
            // A binary beside the library has a `.wasm` file too.
            && artifact.target.crate_types.contains(&CrateType::CDyLib)
        {
            found = artifact.filenames.into_iter().find(|file| file.extension() == Some("wasm")).or(found);
        }
    }
    found.map(Into::into)
}

/// Installs the target through rustup where the toolchain lacks it; one at a time, because rustup does not wait for
/// another that installs the same.
fn ensure_target() -> Result<(), Error> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| not_runnable("rustc", error))?;
    let libdir = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && libdir.is_dir() {
        return Ok(());
    }
    tracing::warn!("the Rust target {TARGET} is missing; adding it with `rustup target add {TARGET}`");
    let missing = || {
        Error::new(format!("the Rust target `{TARGET}` is not installed, and rustup cannot add it"))
            .with_help(format!("run `rustup target add {TARGET}`, or install the target with your toolchain"))
    };
    let output = Command::new("rustup")
        .args(["target", "add", TARGET])
        .output()
        .map_err(|error| missing().with_source(error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(missing().with_source(Said(String::from_utf8_lossy(&output.stderr).into_owned())))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(features: &[&str]) -> String {
        let features: Vec<String> = features.iter().map(|feature| (*feature).to_owned()).collect();
        folder_name(&sorted(&features))
    }

    #[test]
    fn each_set_of_features_has_one_folder() {
        assert_eq!(folder_of(&["wayside/wasip3"]), "wayside@wasip3");
        assert_eq!(folder_of(&["b", "a", "b"]), folder_of(&["a", "b"]));
        assert_ne!(folder_of(&["a/b"]), folder_of(&["a-b"]));
        assert_ne!(folder_of(&["a?/b"]), folder_of(&["a/b"]));
    }
}
