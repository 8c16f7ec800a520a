//! Builds of crates with equal names, whose artifacts cargo confuses. The harness always returns the component of the
//! requested crate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wayside_harness::cargo::{Profile, Progress, build, build_once};

use crate::command::{run, stderr, stdout, wayside};
use crate::fixture::{root, temp_dir};

/// Makes a library crate with a path dependency. The built component contains `text` twice: from the library, and from
/// the dependency.
fn write_crate(dir: &Path, name: &str, library: &str, text: &str) {
    write(
        &dir.join("Cargo.toml"),
        &format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\nname = \"{library}\"\n\
             crate-type = [\"cdylib\", \"rlib\"]\n\n[dependencies]\n{name}-dependency = {{ path = \"dependency\" }}\n"
        ),
    );
    let source = |text: &str, more: &str| {
        format!("#[unsafe(no_mangle)]\npub extern \"C\" fn text() -> *const u8 {{\n{more}    {text:?}.as_ptr()\n}}\n")
    };
    let dependency = name.replace('-', "_");
    let call = format!("    std::hint::black_box({dependency}_dependency::TEXT);\n");
    write(&dir.join("src/lib.rs"), &source(&format!("text of {text}."), &call));
    let manifest = format!("[package]\nname = \"{name}-dependency\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    write(&dir.join("dependency/Cargo.toml"), &manifest);
    write(&dir.join("dependency/src/lib.rs"), &format!("pub const TEXT: &str = \"dependency of {text}.\";\n"));
}

/// Makes a library crate named `app`, in its own workspace.
fn write_workspace(dir: &Path, text: &str) {
    write_crate(dir, "app", "app", text);
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
    write(&dir.join("Cargo.toml"), &(manifest + "\n[workspace]\n"));
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Makes two workspaces before either is built, so that the sources of both are older than all artifacts.
fn two_workspaces(config: &str) -> [PathBuf; 2] {
    let dir = temp_dir();
    let workspaces = ["one", "two"].map(|name| {
        write_workspace(&dir.join(name).join("app"), name);
        dir.join(name).join("app")
    });
    write(&dir.join(".cargo/config.toml"), config);
    workspaces
}

/// Checks that a component contains the text of its library and that of the dependency.
#[track_caller]
fn assert_text(wasm: &Path, text: &str) {
    let bytes = fs::read(wasm).unwrap();
    let bytes = String::from_utf8_lossy(&bytes);
    for text in [format!("text of {text}."), format!("dependency of {text}.")] {
        assert!(bytes.contains(&text), "`{text}` is missing in {}", wasm.display());
    }
}

fn built(dir: &Path) -> PathBuf {
    build(dir, Profile::Release, &[], Progress::Hidden).unwrap()
}

#[test]
fn crates_of_one_name_that_share_a_target_directory_are_kept_apart() {
    for config in ["[build]\ntarget-dir = \"shared\"\n", "[build]\nbuild-dir = \"shared\"\n"] {
        let [one, two] = two_workspaces(config);
        for _ in 0..2 {
            assert_text(&built(&one), "one");
            assert_text(&built(&two), "two");
        }
        assert_ne!(built(&one), built(&two));
        assert_text(&built(&one), "one");
    }
}

#[test]
fn what_cargo_built_for_a_crate_of_the_same_name_is_not_taken() {
    let [one, two] = two_workspaces("[build]\ntarget-dir = \"shared\"\n");
    let mut cargo = Command::new(env!("CARGO"));
    let cargo = cargo.current_dir(&one).args(["build", "--quiet", "--release", "--target", "wasm32-wasip2"]);
    assert!(cargo.status().unwrap().success());
    assert_text(&built(&two), "two");
}

#[tokio::test]
async fn one_process_builds_crates_of_one_name_at_once_and_keeps_them_apart() {
    let [one, two] = two_workspaces("[build]\ntarget-dir = \"shared\"\n");
    let build = |dir: PathBuf| async move { build_once(&dir, &[], Progress::Hidden).await.unwrap() };
    let (of_one, of_two) = tokio::join!(build(one), build(two));
    assert_text(&of_one, "one");
    assert_text(&of_two, "two");
}

#[test]
fn members_whose_libraries_have_one_name_are_kept_apart() {
    let dir = temp_dir();
    for name in ["one", "two"] {
        write_crate(&dir.join(name), name, "same", name);
    }
    write(&dir.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"one\", \"two\"]\n");
    let [one, two, again] = ["one", "two", "one"].map(|name| built(&dir.join(name)));
    assert_eq!(one, again);
    assert_text(&two, "two");
    assert_text(&one, "one");
}

#[test]
fn a_program_with_the_name_of_the_library_is_not_taken_for_the_component() {
    let dir = temp_dir();
    write_workspace(&dir, "one");
    write(&dir.join("src/main.rs"), "fn main() {}\n");
    assert_text(&built(&dir), "one");
    let mut cargo = Command::new(env!("CARGO"));
    let cargo = cargo.current_dir(&dir).args(["build", "--quiet", "--release", "--target", "wasm32-wasip2"]);
    // Hides the output: cargo warns that two of its outputs have the same path.
    assert!(cargo.stderr(Stdio::null()).status().unwrap().success());
    assert_text(&built(&dir), "one");
}

#[test]
fn processes_that_share_a_target_directory_by_the_variable_build_what_they_were_asked_for() {
    let [one, two] = two_workspaces("");
    let shared = one.parent().unwrap().parent().unwrap().join("shared");
    let build = |dir: &Path| {
        let mut command = wayside();
        command.arg("build").arg(dir).env("CARGO_TARGET_DIR", &shared);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let outputs = [&one, &two].map(|dir| build(dir)).map(|child| child.wait_with_output().unwrap());
    for (output, text) in outputs.iter().zip(["one", "two"]) {
        assert!(output.status.success(), "{}", stderr(output));
        assert_text(&root().join(stdout(output).trim_end()), text);
    }
}

/// Both crates are made with `wayside new`, under the same name in two directories.
#[test]
fn requests_of_two_crates_of_one_name_are_answered_by_each() {
    let dir = temp_dir();
    let crates = ["one", "two"].map(|name| {
        let app = dir.join(name).join("app");
        fs::create_dir(dir.join(name)).unwrap();
        let made = run(&["new", app.to_str().unwrap()]);
        assert!(made.status.success(), "{}", stderr(&made));
        let source = fs::read_to_string(app.join("src/lib.rs")).unwrap();
        fs::write(app.join("src/lib.rs"), source.replace("Hello", &format!("Hello from {name}"))).unwrap();
        // Copies the lock file of this workspace, so that cargo downloads nothing.
        fs::copy(root().join("Cargo.lock"), app.join("Cargo.lock")).unwrap();
        app
    });
    for (app, name) in crates.iter().zip(["one", "two"]) {
        let output = wayside().arg("request").arg(app).env("CARGO_TARGET_DIR", dir.join("shared")).output().unwrap();
        assert_eq!(stdout(&output), format!("Hello from {name}!\n"), "{}", stderr(&output));
    }
}
