//! Broken and hostile inputs. For each, the command fails with an error that names the value, the cause and a way out;
//! none causes a panic.

mod files;
mod small;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wayside_harness::{Harness, Limits};

use super::command::{assert_message, stderr, temporary, wayside};
use super::fixture::{example, get};

/// The exit code for failures.
const FAILED: i32 = 1;
/// The exit code for invalid arguments.
const MISUSED: i32 = 2;

/// Runs the command and checks its failure: the exit code, and a message with all these parts.
#[track_caller]
fn refused(code: i32, command: &mut Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    assert_message(&output, parts);
    let next = if code == MISUSED { "--help" } else { "help: " };
    assert!(said.contains(next), "{command:?} does not say what to do next: {said}");
    assert!(said.len() < 4096, "{command:?} says too much: {said}");
    assert!(output.stdout.is_empty(), "{command:?} has a result");
}

/// Returns the bytes of a valid component.
async fn hello() -> Vec<u8> {
    let app = example("hello").await.unwrap();
    fs::read(&app.description().path).unwrap()
}

/// Returns a copy of the component with each occurrence of `old` replaced by `new`, which has the same length.
fn with(component: &[u8], old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut changed = component.to_vec();
    let places: Vec<usize> =
        (0..component.len() - old.len()).filter(|at| component[*at..].starts_with(old.as_bytes())).collect();
    assert!(!places.is_empty(), "there is no {old}");
    for place in places {
        changed[place..place + new.len()].copy_from_slice(new.as_bytes());
    }
    changed
}

#[tokio::test]
async fn files_that_are_no_component_are_named_for_what_they_are() {
    let dir = temporary("hostile-files");
    let hello = hello().await;
    let files: &[(&str, &[u8], &str)] = &[
        ("empty", b"", "is empty"),
        ("magic", b"\0asm", "is cut"),
        ("half", b"\0asm\x0d\0\x01", "is cut"),
        ("version", b"\0asm\x0e\0\x01\0", "of a version that is not known"),
        ("layer", b"\0asm\x0d\0\x02\0", "of a version that is not known"),
        ("core", b"\0asm\x01\0\0\0", "is a core WebAssembly module"),
        ("core-cut", b"\0asm\x01\0\0\0\x01\x7f", "is a core WebAssembly module"),
        ("wat", b"(component)", "is a text file"),
        ("html", b"<!doctype html>\n<title>404 Not Found</title>\n", "is a text file"),
        ("json", "{\"caf\u{e9}\": 1}".as_bytes(), "is a text file"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0", "is not a WebAssembly component"),
        ("elf", b"\x7fELF\x02\x01\x01\0\0\0", "is not a WebAssembly component"),
        ("zeros", &[0; 64], "is not a WebAssembly component"),
        ("latin", b"caf\xe9\n", "is not a WebAssembly component"),
        ("none", b"\0asm\x0d\0\x01\0", "is no HTTP handler: it exports nothing"),
        ("behind", &[&hello[..], b"garbage"].concat(), "is not valid"),
        ("twice", &[&hello[..], &hello].concat(), "is not valid"),
        (
            "world",
            &with(&hello, "wasi:http/incoming-handler@0.2.6", "acme:http/incoming-handler@0.2.6"),
            "is no HTTP handler: it exports `acme:http/incoming-handler@0.2.6`",
        ),
        (
            "old",
            &with(&hello, "wasi:http/incoming-handler@0.2.6", "wasi:http/incoming-handler@0.1.6"),
            "exports `wasi:http/incoming-handler@0.1.6`, a version that is not known",
        ),
        (
            "import",
            &with(&hello, "wasi:cli/stderr@0.2.6", "acme:cli/stderr@0.2.6"),
            "imports what the harness does not offer: `acme:cli/stderr@0.2.6`",
        ),
        (
            "newer",
            &with(&hello, "wasi:http/types@0.2.6", "wasi:http/types@0.9.6"),
            "imports what the harness does not offer: `wasi:http/types@0.9.6`",
        ),
    ];
    for (name, contents, what) in files {
        let file = dir.join(name).with_extension("wasm");
        fs::write(&file, contents).unwrap();
        let path = file.to_string_lossy();
        refused(FAILED, wayside().args(["request", &path]), &[&path, what]);
        let error = Harness::load(&file).await.unwrap_err();
        assert!(error.to_string().contains(what) && error.help().is_some(), "{error}");
    }
}

#[test]
fn paths_that_lead_to_no_file_are_named() {
    let dir = temporary("hostile-paths");
    symlink("loop", dir.join("loop")).unwrap();
    symlink("gone", dir.join("dangling")).unwrap();
    fs::create_dir(dir.join("directory.wasm")).unwrap();
    let _listener = UnixListener::bind(dir.join("socket")).unwrap();
    large(&dir.join("large.wasm"));
    for (path, what) in [
        ("gone.wasm", "cannot read the component `gone.wasm`"),
        ("gone/deep.wasm", "cannot read the component"),
        ("loop", "cannot read the component `loop`"),
        ("dangling", "cannot read the component `dangling`"),
        ("directory.wasm", "the directory `directory.wasm` has no Cargo.toml"),
        (".", "the directory `.` has no Cargo.toml"),
        ("large.wasm", "cannot read the component `large.wasm`: it is larger than 512 MiB"),
        ("socket", "cannot read the component `socket`"),
    ] {
        refused(FAILED, wayside().current_dir(&dir).args(["inspect", path]), &[what]);
    }
}

#[tokio::test]
async fn a_component_cut_anywhere_is_never_run() {
    let dir = temporary("hostile-cuts");
    let hello = hello().await;
    for number in 0..40 {
        let file = dir.join(format!("{number}.wasm"));
        fs::write(&file, &hello[..hello.len() * number / 40]).unwrap();
        // The remaining part may be a valid component, but it exports no handler.
        let error = Harness::load(&file).await.unwrap_err();
        assert!(error.to_string().contains(&*file.to_string_lossy()) && error.help().is_some(), "{error}");
    }
}

/// A changed bit may have no effect, or it may change what the component does. The harness must refuse the component or
/// respond.
#[tokio::test]
async fn a_component_with_any_bit_changed_is_refused_or_answered_for() {
    let dir = temporary("hostile-bits");
    let hello = hello().await;
    let mut refused = 0;
    for number in 0..60_usize {
        let mut changed = hello.clone();
        let place = 8 + (hello.len() - 8) * number / 60 + number % 7;
        changed[place] ^= 1 << (number % 8);
        let file = dir.join(format!("{number}.wasm"));
        fs::write(&file, changed).unwrap();
        match Harness::load(&file).limits(Limits::default().timeout(Duration::from_secs(1))).await {
            Err(error) => {
                assert!(error.to_string().contains(&*file.to_string_lossy()) && error.help().is_some(), "{error}");
                refused += 1;
            }
            Ok(app) => {
                let response = app.request(get("/")).await;
                assert!([200, 500, 504].contains(&response.status().as_u16()), "bit {number}: {}", response.status());
                let _ = response.into_body().bytes().await;
            }
        }
    }
    assert!(refused > 10, "{refused} of 60 were refused");
}

#[tokio::test]
async fn arguments_that_cannot_be_understood_are_told_with_how_they_are_written() {
    let app = example("hello").await.unwrap();
    let hello = app.description().path.to_str().unwrap();
    let path = "write a path that starts with a slash";
    let pattern = "write `[scheme://]host[:port]`";
    let (timeout, size) = ("write a duration with its unit", "write a size as `10 MiB`");
    let cases: &[(&[&str], &str)] = &[
        (&["no-slash"], path),
        (&[""], path),
        (&[" "], path),
        (&["?q=1"], path),
        (&["/a b"], path),
        (&["http://"], path),
        (&["http://[::1/"], path),
        (&["ftp://a.test/"], path),
        (&["/", "-X", "GE T"], "invalid HTTP method"),
        (&["/", "-X", ""], "invalid HTTP method"),
        (&["/", "-X", "caf\u{e9}"], "invalid HTTP method"),
        (&["/", "-H", "no colon"], "write `name: value`"),
        (&["/", "-H", ": x"], "invalid HTTP header name"),
        (&["/", "-H", "a b: c"], "invalid HTTP header name"),
        (&["/", "-H", "x: a\nx-b: c"], "the value of `x`"),
        (&["/", "--env", "A"], "write `NAME=VALUE`"),
        (&["/", "--env", "=b"], "write `NAME=VALUE`"),
        (&["/", "--timeout", ""], timeout),
        (&["/", "--timeout", "30"], timeout),
        (&["/", "--timeout", "5 parsecs"], timeout),
        (&["/", "--timeout", "1.5.5s"], timeout),
        (&["/", "--timeout", "nan"], timeout),
        (&["/", "--timeout", "0s"], "it must be above zero"),
        (&["/", "--timeout", "99999999999999999999999999999999999999999999h"], "longer than can be counted"),
        (&["/", "--max-memory", "x"], size),
        (&["/", "--max-memory", "1 XiB"], size),
        (&["/", "--max-memory", "99999999999999999999 GiB"], "more than can be counted"),
        (&["/", "--max-body", "1e9"], size),
        (&["/", "--max-body=-1"], size),
        (&["/", "--allow-outbound", ""], pattern),
        (&["/", "--allow-outbound", "ftp://a.test"], pattern),
        (&["/", "--allow-outbound", "http://"], pattern),
        (&["/", "--allow-outbound", "a.test/path"], pattern),
        (&["/", "--allow-outbound", "a.test:x"], pattern),
        (&["/", "--allow-outbound", "a.test:99999"], pattern),
        (&["/", "--allow-outbound", "user@a.test"], pattern),
        (&["/", "--allow-outbound", "*.*.test"], pattern),
        (&["/", "--allow-outbound", "*."], pattern),
        (&["/", "--allow-outbound", "a b"], pattern),
        (&["/", "--allow-outbound", "[::1"], pattern),
        (&["/", "--allow-outbound", "a.test,b.test"], "give one pattern at a time"),
        (&["/", "--allow-outbound", "10.0.0.0/33"], pattern),
        (&["/", "--allow-outbound", "a.test:90-80"], "its range of ports ends before it begins"),
        (&["/", "--nonsense"], "unexpected argument '--nonsense'"),
        (&["/", "too", "many"], "unexpected argument 'too'"),
    ];
    for (args, what) in cases {
        refused(MISUSED, wayside().args(["request", hello]).args(*args), &[what]);
    }
    for (args, what) in [
        (["--max-concurrency", "x"], "--max-concurrency"),
        (["--max-concurrency", "0"], "0 is not in 1.."),
        (["--reuse", "99999999999"], "99999999999 is not in 1.."),
        (["--log", "yaml"], "[possible values: text, json]"),
    ] {
        refused(MISUSED, wayside().args(["serve", hello]).args(args), &[what]);
    }
    refused(MISUSED, wayside().arg("nonsense"), &["unrecognized subcommand 'nonsense'"]);
}

#[tokio::test]
async fn arguments_that_are_not_utf_8_are_refused() {
    let app = example("hello").await.unwrap();
    let hello = app.description().path.as_os_str();
    let bad = |start: &str| OsString::from_vec([start.as_bytes(), b"\xff"].concat());
    for args in [
        vec![hello.to_owned(), bad("/")],
        vec![hello.to_owned(), "/".into(), "-H".into(), bad("x: ")],
        vec![hello.to_owned(), "/".into(), "-X".into(), bad("G")],
        vec![hello.to_owned(), "/".into(), "-d".into(), bad("")],
        vec![hello.to_owned(), "/".into(), "--env".into(), bad("A=")],
    ] {
        refused(MISUSED, wayside().arg("request").args(args), &["invalid UTF-8"]);
    }
    refused(FAILED, wayside().arg("request").arg(bad("gone")), &["cannot read the component `gone\u{fffd}`"]);
    refused(FAILED, wayside().arg("request").arg(hello).args(["/", "-d", "@gone"]), &["cannot read the data file"]);
}

#[tokio::test]
async fn addresses_that_are_none_are_refused_before_anything_is_built() {
    for addr in ["", "3000", ":3000", "127.0.0.1", "127.0.0.1:-1", "127.0.0.1:99999", "127.0.0.1:0:0", "[::1:80", "-"] {
        let what = format!("`{addr}` is no address to listen on");
        refused(FAILED, wayside().args(["serve", "no/such/directory", "--addr", addr]), &[&what]);
    }
}

#[test]
fn crates_that_cannot_be_built_say_why() {
    let dir = temporary("hostile-crates");
    let package = "[package]\nname = \"broken\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    let cdylib = format!("{package}[lib]\ncrate-type = [\"cdylib\"]\n");
    for (name, manifest, source, what) in [
        ("text", "no toml at all", "", "cannot read `"),
        ("empty", "", "", "cannot read `"),
        ("no-library", package, "", "cannot read `"),
        ("kind", package, "pub fn f() {}", "makes no component"),
        ("syntax", &cdylib, "fn (", "does not compile"),
        ("dependency", &format!("{cdylib}[dependencies]\ngone = {{ path = \"gone\" }}\n"), "", "cannot read `"),
        ("bytes", &cdylib, "\u{0}", "does not compile"),
    ] {
        let dir = dir.join(name);
        fs::create_dir_all(dir.join("src")).unwrap();
        fs::write(dir.join("Cargo.toml"), manifest).unwrap();
        if name != "no-library" {
            fs::write(dir.join("src/lib.rs"), source).unwrap();
        }
        refused(FAILED, wayside().arg("inspect").arg(&dir), &[what]);
    }
}

#[tokio::test]
async fn an_environment_of_the_command_that_is_wrong_is_told() {
    let hello = example("hello").await.unwrap().description().path.clone();
    for (filter, what) in [(OsStr::new("a=b=c"), "`a=b=c`"), (&OsString::from_vec(vec![0xff]), "it is not UTF-8")] {
        let output = wayside().env("WAYSIDE_LOG", filter).arg("request").arg(&hello).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let said = stderr(&output);
        assert!(said.starts_with("warning: WAYSIDE_LOG is ignored: ") && said.contains(what), "{said}");
    }
    let mut gone = wayside();
    gone.env("CARGO", "/nothing/here").args(["request", "examples/hello"]);
    refused(FAILED, &mut gone, &["cannot run `cargo`", "help: install Rust"]);
}

#[test]
fn names_that_no_crate_can_have_are_refused() {
    let dir = temporary("hostile-names");
    fs::create_dir(dir.join("taken")).unwrap();
    for (name, what) in [
        (".", "names no new directory"),
        ("..", "names no new directory"),
        ("/", "names no new directory"),
        ("fn", "it is a keyword of Rust"),
        ("1st", "it must begin with a letter"),
        ("a b", "it may have letters"),
        ("caf\u{e9}", "it may have letters"),
        ("std", "cannot be the name of the crate"),
        ("taken", "exists already"),
        ("gone/deep", "cannot make the directory `gone/deep`"),
    ] {
        refused(FAILED, wayside().current_dir(&dir).args(["new", name]), &[what]);
    }
}

/// Makes a sparse file of 1 GiB, which is larger than any component or cassette that the command reads.
fn large(path: &Path) {
    fs::File::create(path).unwrap().set_len(1024 * 1024 * 1024).unwrap();
}

#[tokio::test]
async fn what_is_written_replaces_files_and_nothing_else() {
    let dir = temporary("hostile-outputs");
    let hello = example("hello").await.unwrap().description().path.clone();
    let _listener = UnixListener::bind(dir.join("socket")).unwrap();
    fs::create_dir(dir.join("directory")).unwrap();
    fs::write(dir.join("file"), "old").unwrap();
    symlink("file", dir.join("link")).unwrap();
    for flag in ["--record", "--learn-outbound"] {
        for path in ["socket", "directory", "gone/deep"] {
            let mut command = wayside();
            command.current_dir(&dir).arg("request").arg(&hello).args(["/", flag, path]);
            refused(FAILED, &mut command, &["cannot write the ", &format!("`{path}`")]);
        }
        let written =
            wayside().current_dir(&dir).arg("request").arg(&hello).args(["/", flag, "link"]).output().unwrap();
        assert!(written.status.success() && dir.join("link").is_symlink());
        assert_ne!(fs::read_to_string(dir.join("file")).unwrap(), "old");
        fs::write(dir.join("file"), "old").unwrap();
    }
    assert!(fs::metadata(dir.join("socket")).unwrap().file_type().is_socket());
}

#[tokio::test]
async fn targets_and_middleware_that_do_not_fit_are_named() {
    let dir = temporary("hostile-chains");
    let hello = example("hello").await.unwrap().description().path.clone();
    let hello = hello.to_str().unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(dir.join("none"), b"\0asm\x0d\0\x01\0").unwrap();
    fs::create_dir(dir.join("directory")).unwrap();
    for (args, what) in [
        (&["request", hello, "/", "--middleware", "gone"][..], "cannot read the component `gone`"),
        (&["request", hello, "/", "--middleware", "empty"], "`empty` is empty"),
        (&["request", hello, "/", "--middleware", "none"], "`none` is no middleware"),
        (&["request", hello, "/", "--middleware", hello], "is no middleware: it is a handler of WASI 0.2"),
        (&["compose", hello, "--middleware", hello, "-o", "out"], "cannot be composed"),
        (&["compose", "empty", "--middleware", hello, "-o", "out"], "`empty` is empty"),
        (&["check", "gone"], "cannot read the component `gone`"),
        (&["check", "empty"], "`empty` is empty"),
        (&["bench", "gone"], "cannot read the component `gone`"),
        (&["bench", hello, "--vs", "empty"], "`empty` is empty"),
        (&["bench", hello, "-d", "@gone"], "cannot read the data file `gone`"),
        (&["build", "gone"], "the directory `gone` has no Cargo.toml"),
        (&["build", "directory"], "the directory `directory` has no Cargo.toml"),
        (&["dev", "directory"], "the directory `directory` has no Cargo.toml"),
        (&["dev", hello], "a component in a file cannot be built anew"),
        (&["dev", "directory", "--addr", "x"], "`x` is no address to listen on"),
        (&["request", hello, "/", "--mock", "directory"], "cannot read the mock `directory`"),
        (&["request", hello, "/", "--replay", "gone"], "cannot read the cassette `gone`"),
        (&["request", hello, "/", "--keyvalue", "redis://"], "`redis://` names no Redis server"),
        (&["request", hello, "/", "--keyvalue", "redis://127.0.0.1:99999"], "names no Redis server"),
    ] {
        refused(FAILED, wayside().current_dir(&dir).args(args), &[what]);
    }
    for (args, what) in [
        (&["--keyvalue", "nonsense"][..], "write `memory`, `file:PATH`, or `redis://host:port`"),
        (&["--config", "A"], "write `NAME=VALUE`"),
        (&["--mock", "a", "--replay", "b"], "cannot be used with"),
        (&["--mock", "a", "--allow-outbound", "a.test"], "cannot be used with"),
    ] {
        refused(MISUSED, wayside().args(["request", hello, "/"]).args(args), &[what]);
    }
    for (args, what) in [
        (&["check", hello, "--host", "nonsense"][..], "enough is known about"),
        (&["check", hello, "--host", "wasmtime@x"], "enough is known about"),
        (&["check", hello, "--world", "wasi:http/gone"], "write wasi:http/proxy"),
        (&["bench", hello, "--requests", "0"], "0 is not in 1.."),
        (&["bench", hello, "--case", "GET nothing"], "write a path that starts with a slash"),
        (&["bench", hello, "--fail-above", "5"], "--vs <TARGET>"),
        (&["bench", hello, "--vs", hello, "--fail-above", "nan"], "write it as `10`"),
    ] {
        refused(MISUSED, wayside().args(args), &[what]);
    }
    assert!(!dir.join("out").exists());
}
