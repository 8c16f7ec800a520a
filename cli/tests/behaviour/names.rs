//! Handlers beside items of the user whose names the expansion of the SDK's macros also uses.

use std::process::Command;

use super::FEATURES;
use super::fixture::root;

#[test]
fn a_handler_compiles_whatever_names_stand_around_it() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["check", "--quiet", "--target", "wasm32-wasip2", "--package", "own-names"]);
    if !FEATURES.is_empty() {
        cargo.args(["--features", "wasip3"]);
    }
    let checked = cargo.output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
