//! Rules of ARCHITECTURE.md and CONTRIBUTING.md that can be checked in the sources.

use std::collections::BTreeSet;
use std::path::PathBuf;

use wayside_checks::{Arrow, Imports, Items, Source, Sources};

const CRATES: [&str; 6] = ["sdk/src", "macros/src", "bindgen/src", "host-harness/src", "cli/src", "checks/src"];

/// The floors of a crate, from top to bottom.
struct Floors {
    dir: &'static str,
    floors: &'static [&'static [&'static str]],
}

const FLOORS: [Floors; 2] = [
    Floors {
        dir: "sdk/src",
        floors: &[
            &["test"],
            &["component", "middleware", "service", "extract", "sse"],
            &["client"],
            &["respond"],
            &["body", "task", "time"],
            &["error"],
            &["sys"],
            &["allocator", "url"],
        ],
    },
    Floors {
        dir: "host-harness/src",
        floors: &[
            &["inspector", "reload", "routes", "harness", "test_response"],
            &["server"],
            &["chain", "compose"],
            &["guest"],
            &["outbound"],
            &["telemetry"],
            &["builds", "cargo", "clock", "component", "config", "engine", "inbound", "keyvalue", "limits", "strip"],
            &["bindings", "head"],
            &["message"],
            &["environment", "error", "file", "show"],
        ],
    },
];

#[test]
fn no_module_imports_one_on_a_floor_above() {
    let mut wrong = Vec::new();
    for Floors { dir, floors } in FLOORS {
        let imports = Imports::of(&Sources::read(dir));
        let floor = |module: &str| {
            let found = floors.iter().position(|floor| floor.contains(&module));
            found.unwrap_or_else(|| panic!("`{module}` of `{dir}` is on no floor; add it to FLOORS"))
        };
        let arrows = imports.between_top_modules();
        let upwards: BTreeSet<(&str, &str)> = arrows
            .iter()
            .filter(|Arrow { from, to }| floor(from) > floor(to))
            .map(|Arrow { from, to }| (from.as_str(), to.as_str()))
            .collect();
        wrong.extend(upwards.iter().map(|arrow| format!("{dir}: {} imports {}", arrow.0, arrow.1)));
    }
    assert!(wrong.is_empty(), "imports of a floor above: {wrong:#?}");
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for dir in CRATES {
        let imports = Imports::of(&Sources::read(dir));
        wrong.extend(imports.circles().iter().map(|circle| format!("{dir}: {}", circle.join(", "))));
    }
    assert!(wrong.is_empty(), "modules that import each other: {wrong:#?}");
}

/// Names that more than two types of a crate may have, because they mean the same: one type per world, or the error of each
/// module.
const REPEATED: [(&str, &str); 5] = [
    ("sdk/src", "Error"),
    ("sdk/src", "ArrivingBody"),
    ("sdk/src", "ArrivingRequest"),
    ("sdk/src", "Sending"),
    ("sdk/src", "Sleep"),
];

#[test]
fn no_type_name_is_used_more_than_twice_in_a_crate() {
    let mut repeated = Vec::new();
    for dir in CRATES {
        let types = Items::of(&Sources::read(dir)).types;
        let is_allowed = |name: &String| REPEATED.contains(&(dir, name.as_str()));
        repeated.extend(types.into_iter().filter(|(name, files)| (files.len() > 2) != is_allowed(name)));
    }
    assert!(repeated.is_empty(), "one name, one meaning: {repeated:#?}");
}

/// Returns a percentile of the numbers.
fn percentile(mut numbers: Vec<usize>, percent: usize) -> usize {
    numbers.sort_unstable();
    numbers[(numbers.len() - 1) * percent / 100]
}

/// Returns the number of lines of a file, including unit tests.
fn lines(source: &Source) -> usize {
    source.text.lines().count()
}

#[test]
fn files_are_short() {
    let files: Vec<Source> = CRATES.iter().flat_map(|dir| Sources::read(dir).files).collect();
    let sizes: Vec<usize> = files.iter().map(lines).collect();
    let (median, most) = (percentile(sizes.clone(), 50), percentile(sizes, 90));
    let longest: BTreeSet<(usize, &PathBuf)> = files.iter().map(|file| (lines(file), &file.path)).collect();
    let longest: Vec<_> = longest.iter().rev().take(5).collect();
    assert!(median <= 150 && most <= 320, "median {median}, 90 % below {most}; the longest are {longest:#?}");
}

/// Functions that consist of one table.
const TABLES: [&str; 1] = ["known"];

#[test]
fn functions_are_short() {
    let mut functions: Vec<_> = CRATES.iter().flat_map(|dir| Items::of(&Sources::read(dir)).functions).collect();
    functions.sort_by_key(|function| function.lines);
    let most = percentile(functions.iter().map(|function| function.lines).collect(), 90);
    assert!(most <= 18, "90 % of the functions have at most {most} lines");
    let long: Vec<_> =
        functions.iter().filter(|function| function.lines > 60 && !TABLES.contains(&function.name.as_str())).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_unwraps_outside_of_tests() {
    for dir in CRATES {
        let unwraps = Items::of(&Sources::read(dir)).unwraps;
        assert!(unwraps.is_empty(), "`{dir}`: use `expect` with the reason: {unwraps:?}");
    }
}

/// The files that may contain unsafe code, without generated bindings. A path that ends in `/` covers the folder and the file of
/// the same name.
const UNSAFE: [(&str, &str); 8] = [
    ("sdk/src/sys/abi/", "the canonical ABI: memory and heads"),
    ("sdk/src/sys/wasip3/abi/", "the canonical ABI: tasks, streams, futures and calls of WASI 0.3"),
    ("sdk/src/sys/wasip2/heads.rs", "imports that the bindings declare with copies"),
    ("sdk/src/sys/wasip3/heads.rs", "imports that the bindings declare with copies"),
    ("sdk/src/sys/wasip3/export.rs", "the export, which the generated code calls"),
    ("sdk/src/sys/wasip2/root.rs", "a waker without memory"),
    ("sdk/src/allocator.rs", "an allocator"),
    ("sdk/src/sys/http/field.rs", "header values that have been validated before"),
];

#[test]
fn unsafe_code_is_in_few_places() {
    let mut found = Vec::new();
    for file in CRATES.iter().flat_map(|dir| Sources::read(dir).files) {
        let path = file.path.to_string_lossy().replace('\\', "/");
        let is_listed = UNSAFE.iter().any(|(place, _)| match place.strip_suffix('/') {
            Some(folder) => path.starts_with(place) || path.strip_suffix(".rs") == Some(folder),
            None => path == *place,
        });
        let is_generated = file.path.ends_with("bindings.rs");
        // The lint `unsafe_code` is denied, so each place has to allow it.
        let allows =
            file.text.lines().any(|line| line.contains("allow(unsafe_code") && !line.contains("generated code"));
        if allows && !is_listed && !is_generated {
            found.push(path);
        }
    }
    assert!(found.is_empty(), "unsafe code belongs in `sdk/src/sys/abi`: {found:?}");
}

#[test]
fn no_file_is_a_module_of_another_place() {
    let dirs = CRATES.iter().chain(&["cli/tests", "host-harness/tests", "sdk/tests", "examples"]);
    for file in dirs.flat_map(|dir| Sources::read(dir).files) {
        assert!(
            !file.text.contains(concat!("#[", "path")),
            "`{}`: a module lies where its path says",
            file.path.display()
        );
    }
}
