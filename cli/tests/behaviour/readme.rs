//! What the documents of the project say about tests and builds is true.

use std::collections::BTreeSet;
use std::fs;

use super::fixture::root;

#[test]
fn every_test_that_the_table_of_rules_names_exists() {
    let dir = root().join("cli/tests/behaviour");
    let table = fs::read_to_string(dir.join("README.md")).unwrap();
    let named: Vec<(&str, &str)> = table.split('`').filter_map(|code| code.rsplit_once("::")).collect();
    assert!(named.len() > 50, "{} tests are named", named.len());
    for (file, test) in named {
        let source = fs::read_to_string(dir.join(file.replace("::", "/")).with_extension("rs")).unwrap();
        assert!(source.contains(&format!("fn {test}(")), "there is no test `{file}::{test}`");
    }
}

#[test]
fn every_crate_that_the_page_of_the_sdk_names_is_built_into_a_component() {
    let page = fs::read_to_string(root().join("sdk/src/lib.md")).unwrap();
    let (_, table) = page.split_once("# Other crates").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split(" |").next());
    // Words in code style are crates, except those in brackets.
    let outside = rows.flat_map(|row| row.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)));
    let named: BTreeSet<&str> = outside.flat_map(|text| text.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 13, "{named:?}");
    let workspaces = ["", "host-harness/tests/other-crates"].map(|dir| root().join(dir));
    let packages = workspaces
        .iter()
        .flat_map(|dir| cargo_metadata::MetadataCommand::new().current_dir(dir).no_deps().exec().unwrap().packages);
    let packages: Vec<_> = packages.collect();
    let component = |package: &&cargo_metadata::Package| {
        package.name.as_str() == "wayside"
            || package.targets.iter().any(|target| target.crate_types.contains(&cargo_metadata::CrateType::CDyLib))
    };
    let built: BTreeSet<&str> = packages
        .iter()
        .filter(component)
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| dependency.kind == cargo_metadata::DependencyKind::Normal)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let missing: Vec<_> = named.difference(&built).collect();
    assert!(missing.is_empty(), "{missing:?} are in no component");
}
