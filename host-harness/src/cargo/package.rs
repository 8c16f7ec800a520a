//! A crate that can be built as a component.

use std::fs;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Metadata, MetadataCommand, Package};

use super::interrupt::{Interrupt, Running};
use super::place::{self, sorted};
use super::toolchain::{TARGET, cargo, ensure_target, not_runnable};
use super::{Profile, Progress, Said, artifact, manifest_in};
use crate::Error;

/// A crate in a directory.
pub(super) struct Crate {
    dir: PathBuf,
    metadata: Metadata,
    package: Package,
}

/// The settings of [`Profile::Quick`]. They override those of the workspace.
const QUICK: [&str; 5] = ["incremental=true", "lto=false", "codegen-units=16", "opt-level=1", "debug=false"];

/// The folder of [`Profile::Quick`] below the target directory.
const QUICK_FOLDER: &str = "quick";

impl Crate {
    /// Reads the manifest of the crate in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, Error> {
        let manifest = manifest_in(dir)?;
        ensure_target()?;
        let metadata = metadata(&manifest)?;
        let package = library(&metadata, dir)?.clone();
        Ok(Self { dir: dir.to_owned(), metadata, package })
    }

    /// Copies an artifact to a file that later builds replace atomically. Cargo changes the artifact in place.
    pub(super) fn keep(&self, artifact: &Path) -> Result<PathBuf, Error> {
        artifact::keep(artifact, &self.package.name)
    }

    /// Builds the crate, and returns the path of the component in the target directory.
    pub(super) fn build(
        &self,
        profile: Profile,
        features: &[String],
        progress: Progress,
        interrupt: Option<&Interrupt>,
    ) -> Result<PathBuf, Error> {
        let features = sorted(features);
        let mut cargo = self.cargo("build", profile, &features);
        // Without `--lib`, a binary with the name of the library would replace the component.
        cargo.args(["--lib", "--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
        if !features.is_empty() {
            cargo.args(["--features", &features.join(",")]);
        }
        // Selects the package by its ID, because another package of the tree may have the same name.
        cargo.args(["--package", &self.package.id.repr]);
        match progress {
            Progress::Shown => cargo.stderr(Stdio::inherit()),
            // With `--quiet`, only the compiler's messages are left on stderr.
            Progress::Hidden => cargo.arg("--quiet").stderr(Stdio::piped()),
        };
        let mut running = Running::start(&mut cargo, interrupt)?;
        let stderr = running.child.stderr.take();
        let stderr = stderr.map(|stderr| std::thread::spawn(move || io::read_to_string(stderr)));
        let stdout = running.child.stdout.take();
        let artifact = stdout.and_then(|stdout| artifact::find(BufReader::new(stdout), &self.package.id));
        let is_built = running.wait()?;
        let said = stderr.and_then(|reader| reader.join().ok()?.ok()).unwrap_or_default();
        if !is_built {
            let error = Error::new(format!("the crate in `{}` does not compile", self.dir.display()))
                .with_help("mend what the compiler says, and try again");
            return Err(if said.is_empty() { error } else { error.with_source(Said(said)) });
        }
        artifact.ok_or_else(|| {
            Error::new(format!("the build of `{}` made no `.wasm` file", self.dir.display()))
                .with_help("add `crate-type = [\"cdylib\"]` to the `[lib]` section of its Cargo.toml")
        })
    }

    /// Creates a cargo command that works on the artifacts of one profile and one set of features, which must be
    /// sorted.
    pub(super) fn cargo(&self, command: &str, profile: Profile, features: &[String]) -> Command {
        let mut cargo = Command::new(cargo());
        // Runs in the directory of the crate, so that its cargo configuration and toolchain apply.
        cargo.current_dir(&self.dir).args([command, "--target", TARGET]).stdin(Stdio::null());
        if profile != Profile::Debug {
            cargo.arg("--release");
        }
        if profile == Profile::Quick {
            for setting in QUICK {
                cargo.arg("--config").arg(format!("profile.release.{setting}"));
            }
        }
        let quick = (profile == Profile::Quick).then_some(QUICK_FOLDER);
        if let Some(target_dir) = place::target_dir(&self.metadata, &self.package, features, quick) {
            // Sets the build directory as well, because cargo's configuration may put intermediate artifacts elsewhere.
            cargo.arg("--target-dir").arg(&target_dir).env("CARGO_BUILD_BUILD_DIR", &target_dir);
        }
        cargo
    }
}

pub(super) fn metadata(manifest: &Path) -> Result<Metadata, Error> {
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

/// Returns the package in the directory if it can be built as a component.
fn library<'a>(metadata: &'a Metadata, dir: &Path) -> Result<&'a Package, Error> {
    let Some(package) = find(metadata, dir) else {
        return Err(Error::new(format!("`{}` is a workspace without a package of its own", dir.display()))
            .with_help("name the directory of one of its members"));
    };
    if place::component_name(package).is_none() {
        return Err(Error::new(format!("the crate `{}` makes no component", package.name))
            .with_help("add `crate-type = [\"cdylib\"]` to the `[lib]` section of its Cargo.toml"));
    }
    Ok(package)
}

/// Returns the package in the directory.
pub(super) fn find<'a>(metadata: &'a Metadata, dir: &Path) -> Option<&'a Package> {
    let wanted = fs::canonicalize(dir.join("Cargo.toml")).ok();
    metadata.packages.iter().find(|package| fs::canonicalize(&package.manifest_path).ok() == wanted)
}
