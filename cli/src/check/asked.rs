//! Finds the parts of a component that import an interface.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};
use wasmparser::{Parser, Payload};
use wayside_harness::Error;

/// The interfaces that a component's core modules import, and the packages whose bindings may import them.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The imported versions of each interface, by the name of the interface.
    versions: BTreeMap<String, BTreeSet<String>>,
    /// The packages that depend on `wit-bindgen`, by its version, as far as they are known. The versions come from the
    /// dependencies of the crate and from custom sections of the component; the packages come from the dependencies
    /// alone.
    pub(super) bindgens: BTreeMap<String, Vec<String>>,
}

impl Asked {
    /// Collects imports and bindings from the bytes of a component, and from the crate in `dir`.
    pub(super) fn read(bytes: &[u8], dir: Option<&Path>) -> Result<Self, Error> {
        let mut asked = Self { bindgens: dir.and_then(packages).unwrap_or_default(), ..Self::default() };
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| Error::new("the component is not valid").with_source(error))?;
            match payload {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports().flatten() {
                        asked.import(import.module);
                    }
                }
                Payload::CustomSection(section) => asked.custom(section.name()),
                _ => {}
            }
        }
        Ok(asked)
    }

    fn import(&mut self, module: &str) {
        // An asynchronous import has a prefix such as `[async-lower]` before the name of the function, and none before
        // the name of the module.
        if let Some((name, version)) = module.split_once('@')
            && name.contains(':')
        {
            self.versions.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }

    /// Records the version of `wit-bindgen` in the name of a custom section such as
    /// `component-type:wit-bindgen:0.63.0:wasi:http@0.2.6:proxy:encoded world`.
    fn custom(&mut self, name: &str) {
        if let Some(rest) = name.strip_prefix("component-type:wit-bindgen:")
            && let Some(version) = rest.split(':').next()
        {
            self.bindgens.entry(version.to_owned()).or_default();
        }
    }

    /// Describes which parts of the component import an interface, and in which version.
    pub(super) fn who(&self, interface: &str) -> Vec<String> {
        let versions = self.versions.get(interface).into_iter().flatten();
        versions.map(|version| format!("{} at {version}", self.origin(interface, version))).collect()
    }

    fn origin(&self, interface: &str, version: &str) -> String {
        let package = interface.strip_prefix("wasi:").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        if version == "0.2.0" && LIBC_PACKAGES.contains(&package) {
            return "the standard library (wasi-libc)".to_owned();
        }
        if STANDARD_LIBRARY.contains(&interface) || interface.starts_with("wasi:cli/terminal-") {
            return "the standard library".to_owned();
        }
        let packages: BTreeSet<String> = self.bindgens.values().flatten().map(|name| format!("`{name}`")).collect();
        let packages: Vec<String> = packages.into_iter().collect();
        if packages.is_empty() { "bindings".to_owned() } else { format!("the bindings of {}", packages.join(" or ")) }
    }
}

/// The packages that wasi-libc imports, always in version 0.2.0. The standard libraries of Rust and C are built on
/// wasi-libc.
const LIBC_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
/// Interfaces that in practice only a standard library imports.
const STANDARD_LIBRARY: [&str; 2] = ["wasi:cli/exit", "wasi:cli/environment"];

/// Returns the packages that depend on `wit-bindgen`, by its version. They are a crate and its direct and indirect
/// dependencies.
fn packages(dir: &Path) -> Option<BTreeMap<String, Vec<String>>> {
    let mut command = MetadataCommand::new();
    command.manifest_path(dir.join("Cargo.toml"));
    command.other_options(["--filter-platform".to_owned(), "wasm32-wasip2".to_owned()]);
    // Errors are ignored: the crate has just been built, so cargo would have reported them during the build.
    let metadata = command.exec().ok()?;
    let nodes = &metadata.resolve.as_ref()?.nodes;
    let manifest = std::fs::canonicalize(dir.join("Cargo.toml")).ok()?;
    let root = metadata
        .packages
        .iter()
        .find(|package| std::fs::canonicalize(&package.manifest_path).is_ok_and(|path| path == manifest))?;
    let mut tree = BTreeSet::from([&root.id]);
    let mut left = vec![&root.id];
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(id) = left.pop() {
        let node = nodes.iter().find(|node| node.id == *id)?;
        let normal =
            node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        for dep in normal {
            let package = &metadata[&dep.pkg];
            if package.name.as_str() == "wit-bindgen" {
                found.entry(package.version.to_string()).or_default().push(metadata[id].name.to_string());
            }
            if tree.insert(&dep.pkg) {
                left.push(&dep.pkg);
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_generator_are_read_from_the_sections_that_it_leaves() {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for version in ["0.41.0", "0.63.0"] {
            let name = format!("component-type:wit-bindgen:{version}:wasi:http@0.2.6:proxy:encoded world");
            bytes.extend([0, name.len() as u8 + 1, name.len() as u8]);
            bytes.extend(name.as_bytes());
        }
        let asked = Asked::read(&bytes, None).unwrap();
        assert!(asked.bindgens.keys().eq(["0.41.0", "0.63.0"]), "{asked:?}");
    }
}
