//! Tests build each component that they need only once, and again after its sources have changed.

mod names;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use futures_util::future::join_all;
use wayside_harness::cargo::{Profile, Progress, build, build_once};

use super::fixture::temp_dir;

/// Makes a crate whose build script appends a line to a file in each build. Returns the directory of the crate, and
/// this file.
fn counted_crate() -> (PathBuf, PathBuf) {
    let dir = temp_dir();
    let (app, count) = (dir.join("app"), dir.join("count.txt"));
    fs::create_dir_all(app.join("src")).unwrap();
    let manifest =
        "[package]\nname = \"counted\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n[workspace]\n";
    fs::write(app.join("Cargo.toml"), manifest).unwrap();
    let script = format!(
        "use std::io::Write;\nfn main() {{\n    let path = {count:?};\n    let mut file = \
         std::fs::File::options().create(true).append(true).open(path).unwrap();\n    writeln!(file, \"built\").unwrap();\n}}\n"
    );
    fs::write(app.join("build.rs"), script).unwrap();
    write_source(&app, "one");
    (app, count)
}

fn write_source(app: &Path, text: &str) {
    let source =
        format!("#[unsafe(no_mangle)]\npub extern \"C\" fn text() -> *const u8 {{\n    {text:?}.as_ptr()\n}}\n");
    fs::write(app.join("src/lib.rs"), source).unwrap();
}

fn times_built(count: &Path) -> usize {
    fs::read_to_string(count).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn tests_that_ask_at_the_same_time_wait_for_one_build() {
    let (app, count) = counted_crate();
    let paths = join_all((0..8).map(|_| build_once(&app, &[], Progress::Hidden))).await;
    let paths: Vec<PathBuf> = paths.into_iter().collect::<Result<_, _>>().unwrap();
    assert!(paths.iter().all(|path| *path == paths[0] && path.is_file()), "{paths:?}");
    assert_eq!(times_built(&count), 1);
}

#[tokio::test]
async fn processes_that_ask_at_the_same_time_wait_for_one_build() {
    const CRATE: &str = "WAYSIDE_TEST_CRATE";
    if let Some(app) = env::var_os(CRATE) {
        build_once(Path::new(&app), &[], Progress::Hidden).await.unwrap();
        return;
    }
    let (app, count) = counted_crate();
    let test = "builds::processes_that_ask_at_the_same_time_wait_for_one_build";
    let ask = |_| {
        let mut process = Command::new(env::current_exe().unwrap());
        process.args(["--exact", test]).env(CRATE, &app).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..4).map(ask).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(times_built(&count), 1);
}

#[test]
fn a_component_is_built_again_when_its_sources_change_and_only_then() {
    let (app, count) = counted_crate();
    let component = || fs::read(build(&app, Profile::Release, &[], Progress::Hidden).unwrap()).unwrap();
    let first = component();
    assert_eq!(component(), first);
    assert_eq!(times_built(&count), 1);
    write_source(&app, "another text");
    assert_ne!(component(), first);
    assert_eq!(times_built(&count), 2);
}
