//! The contents of built components, and files that are no components.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use wayside_harness::{Component, Harness, World, cargo};

use super::fixture::{example, root};

/// Writes a temporary file for a test.
fn file(name: &str, contents: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, contents).unwrap();
    path
}

#[tokio::test]
async fn a_component_holds_each_wasi_package_in_one_version() {
    for name in ["hello", "proxy", "json"] {
        let app = example(name).await.unwrap();
        let description = app.description();
        let names = description.imports.iter().map(|import| &import.name).chain(&description.exports);
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for name in names {
            let (interface, version) = name.split_once('@').unwrap();
            let package = interface.split('/').next().unwrap();
            versions.entry(package).or_default().push(version);
        }
        for (package, versions) in versions {
            assert!(versions.iter().all(|version| *version == "0.2.6"), "{name} has {package} in {versions:?}");
        }
    }
}

/// Each interface is bound once and in the same version, so a component imports no interface twice.
#[test]
fn the_bindings_ask_for_no_more_than_the_standard_library_and_for_each_interface_once() {
    let bindings = fs::read_to_string(root().join("sdk/src/sys/wasip2/bindings.rs")).unwrap();
    let mut modules: BTreeMap<&str, usize> = BTreeMap::new();
    for line in bindings.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")) {
        *modules.entry(line.trim_end_matches(" {")).or_default() += 1;
    }
    for interface in ["types", "outgoing_handler", "incoming_handler", "error", "poll", "streams", "monotonic_clock"] {
        assert_eq!(modules.get(interface), Some(&1), "{interface}");
    }
    let imports = bindings.split("wasm_import_module = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let imports: BTreeSet<&str> = imports.filter(|import| import.contains(':') && !import.starts_with('[')).collect();
    assert!(imports.len() > 4, "{imports:?}");
    for import in imports {
        assert!(import.ends_with("@0.2.6"), "{import}");
    }
}

/// Two versions of `wit-bindgen` in one component would each export an allocator, and neither would run the tasks of
/// the other.
#[test]
fn a_component_has_one_wit_bindgen() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(root())
        .other_options(["--filter-platform".to_owned(), "wasm32-wasip2".to_owned()])
        .exec()
        .unwrap();
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    for component in components(&metadata) {
        let mut tree = BTreeSet::from([&component.id]);
        let mut left = vec![&component.id];
        while let Some(id) = left.pop() {
            let node = nodes.iter().find(|node| node.id == *id).unwrap();
            let normal = |dep: &&cargo_metadata::NodeDep| {
                dep.dep_kinds.iter().any(|kind| kind.kind == cargo_metadata::DependencyKind::Normal)
            };
            left.extend(node.deps.iter().filter(normal).map(|dep| &dep.pkg).filter(|id| tree.insert(id)));
        }
        let bindgens = tree.iter().filter(|id| metadata[id].name.as_str() == "wit-bindgen").count();
        assert_eq!(bindgens, 1, "{}", component.name);
    }
}

#[test]
fn every_component_of_the_project_is_built_natively_too() {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    for component in components(&metadata) {
        assert!(metadata.workspace_default_members.contains(&component.id), "{} is left out", component.name);
        assert!(component.rust_version.is_some(), "{} states no Rust version", component.name);
    }
}

/// The packages of the project that are components.
fn components(metadata: &cargo_metadata::Metadata) -> Vec<&cargo_metadata::Package> {
    let is_component = |package: &&cargo_metadata::Package| {
        package.targets.iter().any(|target| target.crate_types.contains(&cargo_metadata::CrateType::CDyLib))
    };
    let components: Vec<_> = metadata.workspace_packages().into_iter().filter(is_component).collect();
    assert!(components.len() > 10, "{} components", components.len());
    components
}

#[tokio::test]
async fn everything_that_an_example_imports_is_offered() {
    let app = example("fan-out").await.unwrap();
    assert_eq!(app.description().world, World::IncomingHandler { version: "0.2.6".to_owned() });
    for import in &app.description().imports {
        assert!(import.provided, "{} is not offered", import.name);
    }
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_what_it_is_and_what_to_do() {
    let core = b"\0asm\x01\0\0\0";
    let component = b"\0asm\x0d\0\x01\0";
    for (path, what) in [
        (file("text.wasm", b"(module)"), "is a text file"),
        (file("empty.wasm", b""), "is empty"),
        (file("noise.wasm", b"\xff\xfe\x00\x80noise"), "is not a WebAssembly component"),
        (file("core.wasm", core), "is a core WebAssembly module"),
        (file("none.wasm", component), "is no HTTP handler: it exports nothing"),
        (file("cut.wasm", &[&component[..], b"\x01\xff"].concat()), "is not valid"),
        (PathBuf::from("no/such/file.wasm"), "cannot read the component"),
    ] {
        let error = Harness::load(&path).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(what) && text.contains(&*path.to_string_lossy()), "{text}");
        assert!(error.help().is_some(), "{text}");
    }
}

#[tokio::test]
async fn a_component_cut_anywhere_is_refused() {
    let whole =
        fs::read(cargo::build_once(&root().join("examples/hello"), &[], cargo::Progress::Hidden).await.unwrap());
    let whole = whole.unwrap();
    for number in 1..20 {
        let path = file(&format!("cut-{number}.wasm"), &whole[..whole.len() * number / 20]);
        assert!(Component::load(&path).is_err(), "cut at {number}/20");
    }
}

#[tokio::test]
async fn a_component_of_another_world_is_described() {
    let path = file("other.wasm", b"\0asm\x0d\0\x01\0");
    let component = Component::load(path).unwrap();
    assert_eq!(component.description().world, World::Other);
}

#[tokio::test]
async fn a_directory_that_makes_no_component_is_refused() {
    for (dir, what) in
        [("wit", "has no Cargo.toml"), (".", "is a workspace without a package"), ("bindgen", "makes no component")]
    {
        let error = Harness::build(root().join(dir)).await.unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.help().is_some());
    }
}

#[tokio::test]
async fn each_set_of_features_is_a_component_of_its_own() {
    let hello = root().join("examples/hello");
    let plain = cargo::build_once(&hello, &[], cargo::Progress::Hidden).await.unwrap();
    let features = ["wayside/form".to_owned()];
    let other = cargo::build_once(&hello, &features, cargo::Progress::Hidden).await.unwrap();
    assert_ne!(plain, other);
    assert!(plain.is_file() && other.is_file());
    let twice = cargo::build_once(&hello, &[&features[..], &features].concat(), cargo::Progress::Hidden).await.unwrap();
    assert_eq!(other, twice);
    let app = Harness::build(hello).features(features).await.unwrap();
    assert_eq!(app.description().path, other);
}

#[tokio::test]
async fn middleware_of_wasi_0_2_is_refused_by_the_compiler_with_the_way_out() {
    let crate_dir = root().join("host-harness/tests/middleware-of-wasip2");
    let error = cargo::build_once(&crate_dir, &[], cargo::Progress::Hidden).await.unwrap_err();
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.contains("there is no middleware in WASI 0.2"), "{said}");
    assert!(said.contains("with the feature `wasip3` of the crate `wayside`"), "{said}");
    assert_eq!(
        said.matches("error: ").count() + said.matches("error[").count(),
        2,
        "one, and that it did not compile: {said}"
    );
    let features = ["wayside/wasip3".to_owned()];
    let built = cargo::build_once(&crate_dir, &features, cargo::Progress::Hidden).await.unwrap();
    let component = Component::load(built).unwrap();
    assert_eq!(component.description().world, World::Middleware { version: "0.3.0".to_owned() });
}

#[tokio::test]
async fn a_service_of_wasi_0_3_imports_no_handler_and_each_package_in_one_version_of_each_wasi() {
    for name in ["hello", "proxy"] {
        let app = example(name).features(["wayside/wasip3"]).await.unwrap();
        assert_eq!(app.description().world, World::Handler { version: "0.3.0".to_owned() });
        for import in &app.description().imports {
            assert!(import.provided, "{} is not offered", import.name);
            let (interface, version) = import.name.split_once('@').unwrap();
            assert_ne!(interface, "wasi:http/handler", "{name}");
            assert!(["0.2.6", "0.3.0"].contains(&version), "{name} has {}", import.name);
            assert!(!interface.starts_with("wasi:http/") || version == "0.3.0", "{name} has {}", import.name);
        }
    }
}
