//! The target directory of a build.
//!
//! Cargo identifies a package by its name, its version and its path below the workspace. In a target directory that
//! several workspaces share, cargo therefore takes the package `app` of one workspace for the `app` of another, and
//! neither its messages nor its dep-info show the mistake. Within one workspace, cargo likewise confuses two packages
//! whose libraries have the same name. In both cases this module chooses a separate target directory for each crate.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use cargo_metadata::{CrateType, Metadata, Package, Target, TargetKind};

/// The folder of the separate directories, below the target directory.
const FOLDER: &str = "wayside";

/// Returns the target directory to build a package in, or `None` for cargo's default.
///
/// `folder` is an additional folder, for builds with other settings.
pub(super) fn target_dir(
    metadata: &Metadata,
    package: &Package,
    features: &[String],
    folder: Option<&str>,
) -> Option<PathBuf> {
    let shared = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];
    let is_shared = shared.iter().any(|name| env::var_os(name).is_some()) || !is_default(metadata);
    choose(metadata, package, features, folder, is_shared)
}

fn choose(
    metadata: &Metadata,
    package: &Package,
    features: &[String],
    folder: Option<&str>,
    is_shared: bool,
) -> Option<PathBuf> {
    let default = metadata.target_directory.as_std_path();
    let mut dir = default.to_owned();
    if is_shared {
        dir = dir.join(FOLDER).join(workspace_folder(metadata.workspace_root.as_std_path()));
    }
    if has_a_namesake(metadata, package) {
        dir = dir.join(FOLDER).join(package.name.as_str());
    }
    if let Some(folder) = folder {
        dir = dir.join(folder);
    }
    if !features.is_empty() {
        dir = dir.join("features").join(features_folder(features));
    }
    (dir != default).then_some(dir)
}

/// Whether cargo uses the default target directory, which belongs to this workspace alone.
fn is_default(metadata: &Metadata) -> bool {
    let default = metadata.workspace_root.join("target");
    metadata.target_directory == default && metadata.build_directory.as_ref().is_none_or(|dir| *dir == default)
}

/// Returns the folder name for a workspace: the name of its directory, which people recognize, and a hash of its path.
fn workspace_folder(root: &Path) -> String {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(|char| char.is_ascii_alphanumeric() || "-_".contains(*char)).collect();
    format!("{name}-{:016x}", hasher.finish())
}

/// Whether another package of the workspace makes a component with the same file name. Cargo links both into one file,
/// and considers that file up to date after either build.
fn has_a_namesake(metadata: &Metadata, package: &Package) -> bool {
    let name = component_name(package);
    metadata.packages.iter().any(|other| other.id != package.id && name.is_some() && component_name(other) == name)
}

/// Returns the file name of the component that a package makes, or `None` if its library makes none.
pub(super) fn component_name(package: &Package) -> Option<String> {
    let is_component = |target: &&Target| {
        // An example may be a `cdylib` too. Cargo puts it into another folder.
        target.crate_types.contains(&CrateType::CDyLib) && !target.kind.contains(&TargetKind::Example)
    };
    Some(package.targets.iter().find(is_component)?.name.replace('-', "_"))
}

/// Normalizes a set of features: sorted, without duplicates.
pub(super) fn sorted(features: &[String]) -> Vec<String> {
    let mut features = features.to_vec();
    features.sort_unstable();
    features.dedup();
    features
}

/// Encodes a set of features as a folder name. Replaces characters that some file systems reject by others that are not
/// allowed in the names of features.
fn features_folder(features: &[String]) -> String {
    features.join(",").replace('/', "@").replace('?', "!")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(features: &[&str]) -> String {
        let features: Vec<String> = features.iter().map(|feature| (*feature).to_owned()).collect();
        features_folder(&sorted(&features))
    }

    #[test]
    fn each_set_of_features_has_one_folder() {
        assert_eq!(folder_of(&["wayside/wasip3"]), "wayside@wasip3");
        assert_eq!(folder_of(&["b", "a", "b"]), folder_of(&["a", "b"]));
        assert_ne!(folder_of(&["a/b"]), folder_of(&["a-b"]));
        assert_ne!(folder_of(&["a?/b"]), folder_of(&["a/b"]));
    }

    /// A workspace at `root`. Each pair is the name of a package and the name of its library.
    fn workspace(root: &str, target_dir: &str, packages: &[(&str, &str)]) -> Metadata {
        let id = |name: &str| format!("path+file://{root}/{name}#0.1.0");
        let package = |(name, library): &(&str, &str)| {
            serde_json::json!({
                "name": name, "version": "0.1.0", "id": id(name), "dependencies": [], "features": {},
                "manifest_path": format!("{root}/{name}/Cargo.toml"),
                "targets": [{
                    "name": library, "kind": ["cdylib"], "crate_types": ["cdylib", "rlib"],
                    "src_path": format!("{root}/{name}/src/lib.rs"),
                }],
            })
        };
        let metadata = serde_json::json!({
            "packages": packages.iter().map(package).collect::<Vec<_>>(), "version": 1, "resolve": null,
            "workspace_members": packages.iter().map(|(name, _)| id(name)).collect::<Vec<_>>(),
            "workspace_root": root, "target_directory": target_dir,
        });
        serde_json::from_value(metadata).unwrap()
    }

    fn place(metadata: &Metadata, package: usize, is_shared: bool) -> Option<PathBuf> {
        choose(metadata, &metadata.packages[package], &[], None, is_shared || !is_default(metadata))
    }

    #[test]
    fn a_workspace_that_shares_nothing_builds_where_cargo_does() {
        let one = workspace("/a", "/a/target", &[("app", "app"), ("other", "other")]);
        assert_eq!(place(&one, 0, false), None);
        assert_eq!(
            choose(&one, &one.packages[0], &["b/c".to_owned()], None, false).unwrap(),
            Path::new("/a/target/features/b@c")
        );
        assert_eq!(choose(&one, &one.packages[0], &[], Some("quick"), false).unwrap(), Path::new("/a/target/quick"));
    }

    #[test]
    fn workspaces_that_share_a_target_directory_have_a_directory_each() {
        let [one, other] = ["/a", "/b"].map(|root| workspace(root, "/shared", &[("app", "app"), ("x", "x")]));
        let places = [place(&one, 0, false), place(&other, 0, false)].map(Option::unwrap);
        assert_ne!(places[0], places[1]);
        assert!(places.iter().all(|place| place.starts_with("/shared/wayside")), "{places:?}");
        assert_eq!(place(&one, 1, false).unwrap(), places[0], "members share their dependencies");
        // An environment variable may name the directory that is the default of one workspace.
        assert!(place(&workspace("/a", "/a/target", &[("app", "app")]), 0, true).is_some());
    }

    #[test]
    fn packages_whose_libraries_have_one_name_have_a_directory_each() {
        let all = workspace("/a", "/a/target", &[("one", "app-x"), ("two", "app_x"), ("three", "three")]);
        let places = [place(&all, 0, false), place(&all, 1, false)].map(Option::unwrap);
        assert_eq!(places, ["/a/target/wayside/one", "/a/target/wayside/two"].map(PathBuf::from));
        assert_eq!(place(&all, 2, false), None);
    }
}
