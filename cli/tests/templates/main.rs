//! `wayside new`: the crates that it makes build and pass their own tests.
//!
//! The component tests of the templates are compiled into this program unchanged, because a made crate would compile
//! the harness again. They import `wayside_harness`, and get this crate under that name. Its `Harness` opens the made
//! crate where a test names its parent directory.

extern crate self as wayside_harness;
extern crate wayside_harness as real;

mod dev;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

pub use real::*;

mod axum {
    include!("../../templates/axum/component.rs");
}
mod hello {
    include!("../../templates/hello/component.rs");
}
mod json {
    include!("../../templates/json/component.rs");
}
mod middleware {
    include!("../../templates/middleware/component.rs");
}
mod proxy {
    include!("../../templates/proxy/component.rs");
}

const TEMPLATES: [&str; 5] = ["hello", "json", "proxy", "axum", "middleware"];

/// A stand-in for `wayside_harness::Harness`, which the component tests of the templates use.
#[derive(Debug)]
pub struct Harness;

impl Harness {
    /// Builds the crate that was made from the calling test's template, or a crate below its directory.
    #[track_caller]
    #[must_use]
    pub fn build(dir: &str) -> HarnessBuilder {
        let caller = Path::new(Location::caller().file());
        let template = caller.parent().and_then(Path::file_name).unwrap();
        let made = made(template.to_str().unwrap());
        HarnessBuilder { real: real::Harness::build(seen_from(&made, dir)), made }
    }
}

/// A stand-in for `wayside_harness::HarnessBuilder`, with the methods that the component tests use.
#[derive(Debug)]
pub struct HarnessBuilder {
    real: real::HarnessBuilder,
    made: PathBuf,
}

impl HarnessBuilder {
    /// Sets an environment variable of the component.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.real = self.real.env(name, value);
        self
    }

    /// Sets the service that answers outbound calls.
    #[must_use]
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.real = self.real.outbound(outbound);
        self
    }

    /// Adds middleware. `target` is a path relative to the directory of the component tests, in the crate that the
    /// template made.
    #[must_use]
    pub fn middleware(mut self, target: &str) -> Self {
        self.real = self.real.middleware(seen_from(&self.made, target));
        self
    }
}

impl IntoFuture for HarnessBuilder {
    type Output = <real::HarnessBuilder as IntoFuture>::Output;
    type IntoFuture = <real::HarnessBuilder as IntoFuture>::IntoFuture;

    fn into_future(self) -> Self::IntoFuture {
        self.real.into_future()
    }
}

/// Returns the file that a path in the component tests of a made crate refers to.
fn seen_from(made: &Path, path: &str) -> PathBuf {
    let below = path.strip_prefix("..").expect("the component tests stand in a directory below their crate");
    made.join(below.trim_start_matches('/'))
}

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

fn wayside(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wayside")).current_dir(dir).args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

fn empty_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// The directory of the made crates. Builds below it share the artifacts of this workspace, and need no network.
fn workshop() -> &'static Path {
    static WORKSHOP: OnceLock<PathBuf> = OnceLock::new();
    WORKSHOP.get_or_init(|| {
        let dir = empty_dir("new");
        fs::create_dir(dir.join(".cargo")).unwrap();
        let target = toml::Value::from(root().join("target").to_str().unwrap());
        let config = format!("[build]\ntarget-dir = {target}\n\n[net]\noffline = true\n");
        fs::write(dir.join(".cargo/config.toml"), config).unwrap();
        // An empty file selects the default style, which the style of the checkout would otherwise replace.
        fs::write(dir.join("rustfmt.toml"), "").unwrap();
        dir
    })
}

/// Returns the directory of the crate that `wayside new` makes from a template. The first call makes it.
fn made(template: &str) -> PathBuf {
    static MADE: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default().entry(template.to_owned()).or_insert_with(|| {
        let name = format!("made-{template}");
        let output = wayside(workshop(), &["new", &name, "--template", template]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let dir = workshop().join(name);
        // Copies the lock file of this workspace, so that few dependencies are compiled anew.
        fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        dir
    });
    made.clone()
}

fn cargo(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO")).current_dir(dir).args(args).output().unwrap()
}

#[test]
fn every_template_passes_its_native_tests() {
    for template in TEMPLATES {
        let output = cargo(&made(template), &["test"]);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{template}: {stdout}{stderr}");
        assert!(stdout.contains("test result: ok. 1 passed"), "{template} has no native test: {stdout}");
        assert!(!stderr.contains("warning"), "{template}: {stderr}");
        assert!(!stderr.contains("wasmtime"), "the native tests of {template} need the harness: {stderr}");
    }
}

#[test]
fn every_template_is_formatted() {
    for template in TEMPLATES {
        let files = ["src/lib.rs", "component-tests/tests/component.rs", "app/src/lib.rs"];
        let files = files.map(|file| made(template).join(file)).into_iter().filter(|file| file.is_file());
        let mut rustfmt = Command::new("rustfmt");
        let output = rustfmt.args(["--check", "--edition", "2024"]).args(files).output().unwrap();
        assert!(output.status.success(), "{template}: {}", text(&output.stdout));
    }
}

#[test]
fn the_component_tests_of_a_made_crate_find_what_they_need() {
    let output = cargo(&made("hello").join("component-tests"), &["tree", "--edges", "dev", "--depth", "1"]);
    let tree = text(&output.stdout);
    assert!(output.status.success() && tree.contains("wayside-harness v"), "{tree}{}", text(&output.stderr));
}

/// The harness has the same dependencies and features in all made crates, so crates that share one `CARGO_TARGET_DIR`
/// compile it once.
#[test]
fn the_harness_is_the_same_whatever_a_made_crate_depends_on() {
    let crates_of = |template: &str| -> BTreeSet<String> {
        let dir = made(template).join("component-tests");
        let metadata = cargo_metadata::MetadataCommand::new().current_dir(&dir).no_deps().exec().unwrap();
        assert_eq!(metadata.workspace_root, dir, "its dependencies are resolved with those of the crate");
        assert_eq!(metadata.packages.len(), 1);
        let tree = ["tree", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p} {f}"];
        let output = cargo(&dir, &tree);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines = text(&output.stdout);
        let lines = lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned());
        lines.filter(|line| !line.is_empty() && !line.starts_with(&format!("made-{template}"))).collect()
    };
    let hello = crates_of("hello");
    assert!(hello.iter().any(|line| line.starts_with("wasmtime v")), "{hello:?}");
    for template in TEMPLATES {
        let others = crates_of(template);
        assert_eq!(others.symmetric_difference(&hello).collect::<Vec<_>>(), Vec::<&String>::new(), "{template}");
    }
}

/// Shows that the previous test proves something: the guest of `json` needs `serde` with other features than the guest
/// of `hello`.
#[test]
fn the_templates_depend_on_crates_of_the_harness_with_other_features() {
    let serde = |template: &str| {
        let output = cargo(&made(template), &["tree", "--prefix", "none", "--format", "{p} {f}"]);
        text(&output.stdout).lines().any(|line| line.starts_with("serde v") && line.contains("derive"))
    };
    assert!(serde("json") && !serde("hello"));
}

#[test]
fn what_is_printed_is_what_to_do_next() {
    let parent = empty_dir("new-printed");
    let output = wayside(&parent, &["new", "app"]);
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    let steps: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(steps[..2], ["cd app", "cargo test"], "{said}");
    assert!(steps[2].ends_with("wayside dev"), "{said}");
    assert!(said.contains("cargo test --manifest-path component-tests/Cargo.toml"), "{said}");
    assert!(fs::read_to_string(parent.join("app/README.md")).unwrap().starts_with("# app\n"));
    assert_eq!(fs::read_to_string(parent.join("app/.gitignore")).unwrap(), "/target\n/component-tests/target\n");
}

#[test]
fn the_list_names_every_template() {
    let output = wayside(&root(), &["new", "--list"]);
    let list = text(&output.stdout);
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, TEMPLATES);
}

#[test]
fn nothing_is_made_where_something_is() {
    let parent = empty_dir("new-exists");
    fs::create_dir(parent.join("app")).unwrap();
    let output = wayside(&parent, &["new", "app"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert_eq!(said, "error: `app` exists already\nhelp: choose another name, or remove what is there\n");
    assert_eq!(fs::read_dir(parent.join("app")).unwrap().count(), 0);
}

#[test]
fn a_bad_name_is_refused_with_one_that_will_do() {
    let parent = empty_dir("new-name");
    let output = wayside(&parent, &["new", "match"]);
    let said = text(&output.stderr);
    assert!(said.contains("`match` cannot be the name of the crate: it is a keyword of Rust"), "{said}");
    assert!(said.ends_with("help: try `wayside new app-match`\n"), "{said}");
    assert_eq!(fs::read_dir(parent).unwrap().count(), 0);
}

#[test]
fn a_checkout_that_is_none_is_named() {
    let parent = empty_dir("new-checkout");
    let output = wayside(&parent, &["new", "app", "--wayside", "elsewhere"]);
    let said = text(&output.stderr);
    assert!(said.starts_with("error: `elsewhere` is no checkout of Wayside\nhelp: "), "{said}");
    assert_eq!(fs::read_dir(parent).unwrap().count(), 0);
}
