//! The WIT files, and the bindings that are generated from them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wayside_bindgen::WORLDS;
use wit_parser::{Function, InterfaceId, Resolve, Type, TypeDefKind};

use super::fixture::root;

#[test]
fn the_checked_in_bindings_are_fresh() {
    for world in WORLDS {
        world.check(&root()).unwrap();
    }
}

#[test]
fn stale_bindings_are_an_error_that_says_so() {
    let copy = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stale");
    let world = WORLDS[0];
    let bindings = world.bindings_file(&copy);
    let _ = std::fs::remove_dir_all(&copy);
    copy_dir(&world.wit_dir(&root()), &world.wit_dir(&copy));
    std::fs::create_dir_all(bindings.parent().unwrap()).unwrap();
    std::fs::write(&bindings, "// Old.\n").unwrap();
    assert!(world.check(&copy).unwrap_err().is_stale());
    assert_eq!(world.update(&copy).unwrap(), wayside_bindgen::Update::Written);
    assert_eq!(world.update(&copy).unwrap(), wayside_bindgen::Update::Fresh);
    world.check(&copy).unwrap();
}

pub(crate) fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Each interface in `wit/` has the same functions, types and resources as in the WIT of the pinned wasmtime.
#[test]
fn our_wit_is_the_standard_as_the_host_ships_it() {
    // The interfaces of WASI 0.2: `types`, two handlers, three of `wasi:io`, one of `wasi:clocks`. Those of 0.3:
    // `types`, `handler`, `client`, two of `wasi:clocks`.
    for (world, host, interfaces) in [("wasip2", "wit", 7), ("wasip3", "src/p3/wit", 5)] {
        let ours = load(&root().join("wit").join(world));
        let theirs = load(&host_sources().join(host));
        let mut compared = 0;
        for (id, interface) in ours.interfaces.iter() {
            let package = &ours.packages[interface.package.unwrap()].name;
            let name = format!("{}:{}/{}", package.namespace, package.name, interface.name.as_deref().unwrap());
            let other = theirs.interfaces.iter().find(|(_, other)| {
                let other_package = &theirs.packages[other.package.unwrap()].name;
                other_package.namespace == package.namespace
                    && other_package.name == package.name
                    && other.name == interface.name
            });
            let (other, _) = other.unwrap_or_else(|| panic!("the host has no {name}"));
            assert_eq!(signature(&ours, id), signature(&theirs, other), "{name} of {world}");
            compared += 1;
        }
        assert_eq!(compared, interfaces, "{world}");
    }
}

fn load(dir: &std::path::Path) -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(dir).unwrap();
    resolve
}

/// Returns cargo's directory with the sources of the pinned wasmtime-wasi-http.
fn host_sources() -> PathBuf {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).exec().unwrap();
    let package = metadata.packages.iter().find(|package| package.name.as_str() == "wasmtime-wasi-http").unwrap();
    package.manifest_path.parent().unwrap().into()
}

/// Returns the types and functions of an interface by name, each as text that spells out its parts.
fn signature(resolve: &Resolve, interface: InterfaceId) -> BTreeMap<String, String> {
    let interface = &resolve.interfaces[interface];
    let types =
        interface.types.iter().map(|(name, id)| (format!("type {name}"), kind(resolve, &resolve.types[*id].kind)));
    let functions =
        interface.functions.iter().map(|(name, function)| (format!("func {name}"), function_text(resolve, function)));
    types.chain(functions).collect()
}

fn function_text(resolve: &Resolve, function: &Function) -> String {
    let parameters: Vec<String> =
        function.params.iter().map(|parameter| format!("{}: {}", parameter.name, ty(resolve, &parameter.ty))).collect();
    let result = function.result.as_ref().map(|result| ty(resolve, result));
    let kind = if function.kind.is_async() { "async " } else { "" };
    format!("{kind}({}) -> {}", parameters.join(", "), result.unwrap_or_default())
}

fn ty(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Id(id) => {
            let def = &resolve.types[*id];
            // The name is enough: the type is compared at its definition.
            def.name.clone().unwrap_or_else(|| kind(resolve, &def.kind))
        }
        other => format!("{other:?}"),
    }
}

fn kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let optional = |ty_: &Option<Type>| ty_.as_ref().map(|inner| ty(resolve, inner)).unwrap_or("_".to_owned());
    match kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| format!("{}: {}", field.name, ty(resolve, &field.ty)));
            format!("record {{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| format!("{}({})", case.name, optional(&case.ty)));
            format!("variant {{{}}}", cases.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Enum(cases) => {
            format!("enum {:?}", cases.cases.iter().map(|case| &case.name).collect::<Vec<_>>())
        }
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(|inner| ty(resolve, inner)).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Handle(wit_parser::Handle::Own(id)) => ty(resolve, &Type::Id(*id)),
        TypeDefKind::Handle(wit_parser::Handle::Borrow(id)) => format!("borrow<{}>", ty(resolve, &Type::Id(*id))),
        TypeDefKind::Option(inner) => format!("option<{}>", ty(resolve, inner)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", optional(&result.ok), optional(&result.err)),
        TypeDefKind::List(inner) => format!("list<{}>", ty(resolve, inner)),
        TypeDefKind::Future(inner) => format!("future<{}>", optional(inner)),
        TypeDefKind::Stream(inner) => format!("stream<{}>", optional(inner)),
        TypeDefKind::Type(inner) => format!("= {}", ty(resolve, inner)),
        TypeDefKind::Resource => "resource".to_owned(),
        other => format!("{other:?}"),
    }
}
