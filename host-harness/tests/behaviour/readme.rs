//! The table of rules beside these tests.

use std::fs;

use super::fixture::root;

#[test]
fn every_test_that_the_table_of_rules_names_exists() {
    let dir = root().join("host-harness/tests/behaviour");
    let table = fs::read_to_string(dir.join("README.md")).unwrap();
    let named: Vec<(&str, &str)> = table.split('`').filter_map(|code| code.split_once("::")).collect();
    assert!(named.len() > 50, "{} tests are named", named.len());
    for (file, test) in named {
        let source = fs::read_to_string(dir.join(file).with_extension("rs")).unwrap();
        assert!(source.contains(&format!("fn {test}(")), "there is no test `{file}::{test}`");
    }
}
