//! The command, run as a user runs it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use super::command::{Serving, assert_message, run, stderr, stdout, temporary, wayside};
use super::fixture::{Wire, eventually, root};

#[test]
fn request_prints_the_body_alone() {
    let output = run(&["request", "examples/hello"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "Hello from Wayside!\n");
}

#[test]
fn request_prints_status_and_fields_on_demand() {
    let output = run(&["request", "examples/hello", "/", "-i"]);
    assert_eq!(
        stdout(&output),
        "200 OK\ncontent-type: text/plain; charset=utf-8\ncontent-length: 20\n\nHello from Wayside!\n"
    );
}

#[test]
fn request_sends_a_file_and_returns_it_byte_for_byte() {
    let file = temporary("request-data").join("data");
    let data: Vec<u8> = (0..2 * 1024 * 1024 + 1).map(|index: u32| (index * 7 % 251) as u8).collect();
    fs::write(&file, &data).unwrap();
    let output = run(&["request", "examples/echo", "/x", "-X", "POST", "-d", &format!("@{}", file.display())]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(output.stdout == data, "{} bytes came back as {} others", data.len(), output.stdout.len());
}

#[test]
fn request_tells_the_status_by_its_exit_code() {
    let code = |args: &[&str]| run(args).status.code().unwrap();
    let guests = "host-harness/tests/guests";
    assert_eq!(code(&["request", guests, "/status/302"]), 0);
    assert_eq!(code(&["request", guests, "/status/404"]), 4);
    assert_eq!(code(&["request", guests, "/status/503"]), 5);
    assert_eq!(code(&["request", guests, "/panic-before-head"]), 5);
    assert_eq!(code(&["request", guests, "/panic-after-head"]), 6);
    assert_eq!(code(&["request", guests, "/trap-after-head"]), 6);
    assert_eq!(code(&["request", guests, "/status/200", "-H", "no colon"]), 2);
}

#[test]
fn the_reason_of_a_trap_is_told_on_stderr_and_not_to_the_client() {
    for (path, reason) in [("/trap", "unreachable"), ("/recursion", "stack"), ("/memory", "bytes of memory")] {
        let output = run(&["request", "host-harness/tests/guests", path]);
        assert_eq!(stdout(&output), r#"{"title":"Internal Server Error","status":500}"#, "{path}");
        assert!(stderr(&output).contains(reason), "{path}: {}", stderr(&output));
    }
}

#[test]
fn request_passes_fields_and_environment() {
    let output = run(&["request", "examples/headers", "/p?q=1", "-H", "x-a: 1", "-H", "x-a: 2", "-X", "PUT"]);
    assert_eq!(stdout(&output), "PUT http://localhost/p?q=1\nhost: localhost\nx-a: 1\nx-a: 2\n");
    let output = run(&["request", "examples/proxy", "/", "--env", "UPSTREAM=http://denied.test"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("--allow-outbound http://denied.test"), "{}", stderr(&output));
}

#[test]
fn serve_prints_the_address_and_ends_well_on_ctrl_c() {
    let server = Serving::start(&["examples/hello"]);
    let answer = server.get("/");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("Hello from Wayside!\n"), "{answer}");
    assert_eq!(server.stop().status.code(), Some(0));
}

#[tokio::test]
async fn serve_and_dev_finish_what_they_have_begun_when_they_are_terminated() {
    for command in [&["serve"][..], &["dev", "--no-inspector"]] {
        let server = Serving::spawn(wayside().args(command).arg("host-harness/tests/guests"));
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        stream.write_all(b"POST /back HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nfirst").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"first") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        server.signal("-TERM");
        eventually("nothing listens any more", || TcpStream::connect(server.addr()).is_err()).await;
        // Ignores errors: a killed server would reset the connection, and the check below would find the response cut.
        let _ = stream.write_all(b" part");
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(Wire::parse(&answer).whole_text(), "first part", "{command:?}");
        assert_eq!(server.ended().status.code(), Some(0), "{command:?}");
    }
}

#[test]
fn inspect_tells_what_a_component_is() {
    let output = run(&["inspect", "examples/hello"]);
    let text = stdout(&output);
    assert!(text.contains("world    wasi:http/incoming-handler@0.2.6\n"), "{text}");
    assert!(text.contains("wasi:io/streams@0.2.6\n"), "{text}");
    assert!(!text.contains("not offered"), "{text}");
}

#[test]
fn inspect_speaks_json() {
    let output = run(&["inspect", "examples/hello", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["world"], serde_json::json!({ "kind": "incoming-handler", "version": "0.2.6" }));
    assert_eq!(json["exports"], serde_json::json!(["wasi:http/incoming-handler@0.2.6"]));
    assert!(json["size_bytes"].as_u64().unwrap() > 1000);
    assert!(json["imports"].as_array().unwrap().iter().all(|import| import["provided"] == true));
}

#[test]
fn inspect_tells_middleware_from_a_service() {
    for (name, world) in [
        ("raw-service", "world    wasi:http/handler@0.3.2\n"),
        ("raw-middleware", "world    wasi:http/handler@0.3.0, as middleware\n"),
    ] {
        let output = run(&["inspect", &format!("host-harness/tests/{name}")]);
        assert!(stdout(&output).contains(world), "{}", stdout(&output));
        assert!(!stdout(&output).contains("not offered"), "{}", stdout(&output));
    }
}

#[test]
fn middleware_stands_in_front_of_what_is_requested() {
    let middleware = ["--middleware", "host-harness/tests/raw-middleware"];
    let output = run(&[&["request", "examples/hello"][..], &middleware].concat());
    assert_eq!(stdout(&output), "Hello from Wayside!\n", "{}", stderr(&output));
    let stop = ["-H", "x-middleware: stop"];
    let output = run(&[&["request", "examples/hello"][..], &middleware, &stop].concat());
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let output = run(&["request", "examples/hello", "--middleware", "host-harness/tests/raw-hello"]);
    assert_message(&output, &["is no middleware", "help: build the middleware for WASI 0.3"]);
}

#[test]
fn bindgen_check_passes_on_a_fresh_checkout_and_names_the_fix_elsewhere() {
    let output = run(&["bindgen", "--check"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let empty = temporary("bindgen-empty");
    let output = run(&["bindgen", "--check", "--root", &empty.to_string_lossy()]);
    assert_message(&output, &["cannot read the WIT", "help: run this in the root of a checkout"]);
}

#[test]
fn bindgen_check_fails_on_stale_bindings_and_names_the_fixing_command() {
    let copy = temporary("bindgen-stale");
    super::wit::copy_dir(&root().join("wit"), &copy.join("wit"));
    for world in ["wasip2", "wasip3"] {
        fs::create_dir_all(copy.join("sdk/src/sys").join(world)).unwrap();
    }
    fs::write(copy.join("sdk/src/sys/wasip2/bindings.rs"), "// Old.\n").unwrap();
    let dir = copy.to_string_lossy();
    let output = run(&["bindgen", "--check", "--root", &dir]);
    assert_message(&output, &["is stale", "help: write them anew with `cargo run -- bindgen`"]);
    assert!(run(&["bindgen", "--root", &dir]).status.success());
    assert!(run(&["bindgen", "--check", "--root", &dir]).status.success());
}

#[test]
fn completions_know_commands_and_flags() {
    for (shell, flag) in [("bash", "--max-concurrency"), ("zsh", "--max-concurrency"), ("fish", "max-concurrency")] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
        let script = stdout(&output);
        assert!(script.contains(flag) && script.contains("inspect"), "{script}");
    }
    assert_eq!(run(&["completions", "cmd.exe"]).status.code(), Some(2));
}

#[test]
fn the_completions_for_bash_complete() {
    let script = stdout(&run(&["completions", "bash"]));
    let ask = "COMP_WORDS=(wayside ins); COMP_CWORD=1; _wayside wayside ins wayside; echo \"${COMPREPLY[@]}\"";
    let output = std::process::Command::new("bash").arg("-c").arg(format!("{script}\n{ask}")).output().unwrap();
    assert_eq!(stdout(&output), "inspect\n", "{}", stderr(&output));
}

#[test]
fn an_unreadable_file_is_named() {
    let output = run(&["serve", "no/such.wasm"]);
    assert_message(&output, &["cannot read the component `no/such.wasm`: ", "help: check the path"]);
}

#[test]
fn a_text_file_is_named() {
    let output = run(&["request", "README.md"]);
    assert_message(&output, &["`README.md` is a text file", "help: name a `.wasm` file"]);
}

#[test]
fn a_core_module_is_named() {
    let file = temporary("core").join("core.wasm");
    fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let output = run(&["inspect", &file.to_string_lossy()]);
    assert_message(&output, &["is a core WebAssembly module, not a component", "help: build it with `cargo build"]);
}

#[test]
fn a_component_of_another_world_is_named() {
    let file = temporary("world").join("other.wasm");
    fs::write(&file, b"\0asm\x0d\0\x01\0").unwrap();
    let output = run(&["serve", &file.to_string_lossy()]);
    assert_message(&output, &["is no HTTP handler: it exports nothing", "help: put `#[http_component]`"]);
}

#[test]
fn a_bad_address_is_refused_before_anything_is_built() {
    let output = run(&["serve", "no/such/directory", "--addr", "3000"]);
    assert_message(&output, &["`3000` is no address to listen on", "help: write an address and a port"]);
}

#[test]
fn an_address_of_another_machine_is_named() {
    let output = run(&["serve", "examples/hello", "--addr", "192.0.2.1:80"]);
    assert_message(&output, &["cannot listen on `192.0.2.1:80`: ", "help: choose an address of this machine"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let output = run(&["serve", "examples/hello", "--addr", &addr]);
    assert_message(&output, &[&format!("cannot listen on `{addr}`: "), "help: end the program that listens there"]);
}

#[test]
fn a_crate_that_does_not_compile_shows_the_compiler_and_one_paragraph() {
    let dir = temporary("broken-crate");
    crate_in(&dir, "fn broken( {}");
    let output = run(&["serve", &dir.to_string_lossy()]);
    assert_message(&output, &["does not compile", "help: mend what the compiler says"]);
    assert!(stderr(&output).contains("src/lib.rs:1"), "{}", stderr(&output));
}

#[test]
fn features_of_what_is_built_already_are_refused() {
    for command in ["inspect", "serve", "request"] {
        let output = run(&[command, "README.md", "--features", "wayside/form"]);
        assert_message(&output, &["`README.md` is no directory of a crate", "help: name the directory of the crate"]);
    }
}

#[test]
fn an_unknown_feature_shows_what_cargo_says() {
    let output = run(&["inspect", "examples/hello", "--features", "wayside/no-such-feature"]);
    assert_message(&output, &["does not compile"]);
    assert!(stderr(&output).contains("no-such-feature"), "{}", stderr(&output));
}

#[test]
fn a_directory_without_a_manifest_is_named() {
    let dir = temporary("no-manifest");
    let output = run(&["request", &dir.to_string_lossy()]);
    assert_message(&output, &["has no Cargo.toml", "help: name the directory of a crate"]);
}

#[test]
fn a_manifest_that_is_no_toml_is_named() {
    let dir = temporary("bad-manifest");
    fs::write(dir.join("Cargo.toml"), "this is no toml").unwrap();
    let output = run(&["request", &dir.to_string_lossy()]);
    assert_message(&output, &["cannot read `", "help: mend what cargo says"]);
}

#[test]
fn a_bad_pattern_says_how_to_write_one() {
    let output = run(&["serve", "examples/hello", "--allow-outbound", "ftp://x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("write `[scheme://]host[:port]`"), "{}", stderr(&output));
}

#[test]
fn a_data_file_that_is_not_there_is_named() {
    let output = run(&["request", "examples/echo", "/", "-d", "@no/such/file"]);
    assert_message(&output, &["cannot read the data file `no/such/file`: ", "help: check the path"]);
}

/// Makes a minimal crate outside the workspace with this source.
fn crate_in(dir: &Path, source: &str) {
    fs::create_dir_all(dir.join("src")).unwrap();
    let manifest = "[package]\nname = \"outside\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
                    [lib]\ncrate-type = [\"cdylib\"]\n\n[workspace]\n";
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::write(dir.join("src/lib.rs"), source).unwrap();
}

#[test]
fn a_new_crate_is_a_git_repository_unless_it_is_within_one() {
    if std::process::Command::new("git").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "git must be installed");
        eprintln!("SKIPPED: there is no git");
        return;
    }
    // Not below the target directory, which is within the repository of this project.
    let dir = std::env::temp_dir().join(format!("wayside-new-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let made = |flags: &[&str], name: &str| {
        let output = wayside().current_dir(&dir).arg("new").args(flags).arg(name).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        dir.join(name).join(".git").exists()
    };
    let found = [made(&[], "one"), made(&["--no-git"], "two"), made(&[], "one/three")];
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(found, [true, false, false]);
}
