//! `wayside build`, run as a user runs it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use wayside_harness::http::Request;
use wayside_harness::{Harness, strip};

use crate::fixture::root;

fn build(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wayside")).current_dir(dir).arg("build").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes a crate outside the workspace, with these lines in its release profile.
fn crate_with(name: &str, profile: &str) -> std::path::PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n[dependencies]\n\
         wayside = {{ path = {:?} }}\n\n[profile.release]\n{profile}\n\n[workspace]\n",
        root().join("sdk"),
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    let source = "#[wayside::http_component]\nfn handle() -> &'static str { \"built\" }\n";
    fs::write(dir.join("src/lib.rs"), source).unwrap();
    fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    // The crates share a target directory that outlives the tests, so that little is compiled anew.
    fs::create_dir(dir.join(".cargo")).unwrap();
    fs::write(dir.join(".cargo/config.toml"), "[build]\ntarget-dir = \"../build-target\"\n").unwrap();
    dir
}

#[tokio::test]
async fn what_is_built_is_stripped_and_answers() {
    let dir = crate_with("build-unstripped", "strip = false");
    let output = build(&dir, &[]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(text(&output.stdout).ends_with("/wasm32-wasip2/release/build_unstripped.wasm\n"), "{output:?}");
    assert!(said.contains("world    wasi:http/incoming-handler@0.2.6\n"), "{said}");
    assert!(said.contains("that only debuggers read\n"), "{said}");
    assert!(said.contains("         wasi:http@0.2.6 (types)"), "{said}");
    let file = dir.join(text(&output.stdout).trim_end());
    let wasm = fs::read(&file).unwrap();
    assert!(said.contains(&format!("size     {} bytes", wasm.len())), "{said}");
    assert!(strip(&wasm) == wasm, "something was left to strip");
    let response = Harness::load(file).await.unwrap().request(Request::get("/").body(()).unwrap()).await;
    assert_eq!(response.into_body().text().await.unwrap(), "built");
}

#[test]
fn a_build_for_debugging_keeps_the_names() {
    let dir = crate_with("build-debug", "");
    let output = build(&dir, &["--debug"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("/wasm32-wasip2/debug/build_debug.wasm\n"), "{output:?}");
    let wasm = fs::read(dir.join(text(&output.stdout).trim_end())).unwrap();
    assert!(strip(&wasm).len() < wasm.len());
}

#[test]
fn a_build_that_fails_prints_no_path_and_exits_with_1() {
    let dir = crate_with("build-broken", "");
    fs::write(dir.join("src/lib.rs"), "fn broken( {}").unwrap();
    let output = build(&root(), &[dir.to_str().unwrap()]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).contains("does not compile"), "{}", text(&output.stderr));
}
