//! The public API of the crates that users depend on, compared with the checked-in list.

use std::path::Path;
use std::{env, fs};

use wayside_checks::{Sources, Surface};

fn assert_listed(dir: &str, name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(dir).join("public-api.txt");
    let surface = Surface::of(&Sources::read(&format!("{dir}/src")), name);
    if env::var("SURFACE").as_deref() == Ok("write") {
        fs::write(&file, &surface).expect("the list can be written");
    }
    let listed = fs::read_to_string(&file).unwrap_or_default();
    let missing: Vec<&str> = surface.lines().filter(|line| !listed.lines().any(|other| other == *line)).collect();
    let gone: Vec<&str> = listed.lines().filter(|line| !surface.lines().any(|other| other == *line)).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "the public API of `{name}` has changed; `SURFACE=write cargo test --test surface` updates `{dir}/public-api.txt`\n\
         added: {missing:#?}\nremoved: {gone:#?}"
    );
}

#[test]
fn the_public_api_of_the_sdk_is_the_listed_one() {
    assert_listed("sdk", "wayside");
}

#[test]
fn the_public_api_of_the_harness_is_the_listed_one() {
    assert_listed("host-harness", "wayside_harness");
}
