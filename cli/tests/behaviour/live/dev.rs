//! `wayside dev`: when it builds, and how it ends together with its build.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use wayside_harness::Harness;

use super::Crate;
use crate::command::{Serving, stderr, wayside};
use crate::fixture::{Wire, eventually};

/// A process that is killed on drop, so that a failed test leaves none running.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn dev(files: &Crate) -> Command {
    let mut command = wayside();
    command.arg("dev").arg(&files.0).args(["--no-inspector", "--addr", "127.0.0.1:0"]);
    command
}

#[tokio::test]
async fn the_file_that_dev_prints_to_is_no_reason_to_build() {
    let files = Crate::new("printed");
    let (output, lib) = (files.0.join("printed.txt"), "src/lib.rs");
    let to = fs::File::create(&output).unwrap();
    let (stdout, stderr) = (to.try_clone().unwrap(), to);
    let _dev = Ended(dev(&files).stdout(stdout).stderr(stderr).spawn().unwrap());
    let said = |text: &str| fs::read_to_string(&output).unwrap().matches(text).count();
    eventually("it is ready", || said("ready after") == 1).await;
    // After a failed build, `dev` watches all files of the crate, because any new file may be the missing one.
    files.write(lib, "broken");
    eventually("the build fails", || said("waiting for a change") > 0).await;
    files.write(lib, "#[wayside::http_component]\nfn handle() -> &'static str { \"mended\" }\n");
    eventually("the mended crate answers", || said("the new component answers") == 1).await;
    let text = fs::read_to_string(&output).unwrap();
    assert_eq!((said("; building"), said("waiting for a change")), (2, 1), "{text}");
}

#[tokio::test]
async fn dev_takes_the_number_of_requests_of_an_instance() {
    let files = Crate::new("reused");
    files.write(
        "src/lib.rs",
        "use std::sync::atomic::{AtomicU32, Ordering};\nstatic COUNT: AtomicU32 = AtomicU32::new(1);\n\
         #[wayside::http_component]\nfn handle() -> String { COUNT.fetch_add(1, Ordering::Relaxed).to_string() }\n",
    );
    let mut command = dev(&files);
    command.args(["--reuse", "3", "--at-once", "1"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut dev = Ended(command.spawn().unwrap());
    let mut lines = BufReader::new(dev.0.stderr.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().starts_with("listening on ")).unwrap().unwrap();
    let addr = line.trim_start_matches("listening on http://").trim_end_matches('/').parse().unwrap();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let request = "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        answers.push(Wire::exchange_with(addr, request).await.whole_text());
    }
    assert_eq!(answers, ["1", "2", "3", "1"]);
}

#[tokio::test]
async fn a_second_signal_ends_dev_while_a_request_goes_on() {
    let mut command = wayside();
    command.args(["dev", "host-harness/tests/guests", "--no-inspector"]);
    let server = Serving::spawn(&mut command);
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
    server.signal("-TERM");
    let output = server.ended();
    assert!(stderr(&output).contains("told to stop a second time"), "{}", stderr(&output));
}

/// Makes a crate whose build script writes its process number to a file and then sleeps, so that the build does not
/// end.
fn never_built(name: &str) -> Crate {
    let files = Crate::new(name);
    let script = "fn main() {\n    std::fs::write(\"process\", std::process::id().to_string()).unwrap();\n    \
                  std::thread::sleep(std::time::Duration::from_secs(600));\n}\n";
    files.write("build.rs", script);
    let _ = fs::remove_file(files.0.join("process"));
    files
}

async fn process_of(dir: &Path) -> String {
    let file = dir.join("process");
    eventually("the build script runs", || fs::read_to_string(&file).is_ok_and(|number| !number.is_empty())).await;
    fs::read_to_string(file).unwrap()
}

async fn has_ended(process: &str) {
    let is_there = || Command::new("kill").args(["-0", process]).output().unwrap().status.success();
    eventually("the build script has ended", || !is_there()).await;
}

#[tokio::test]
async fn the_build_ends_with_the_crate_that_is_served() {
    let files = never_built("dropped");
    let live = Harness::build(&files.0).live().unwrap();
    let process = process_of(&files.0).await;
    drop(live);
    has_ended(&process).await;
}

#[tokio::test]
async fn every_command_ends_with_its_build_at_the_first_signal() {
    let files = never_built("terminated");
    for (command, signal, code) in [
        (&["dev", "--no-inspector", "--addr", "127.0.0.1:0"][..], "-TERM", 0),
        (&["dev", "--no-inspector", "--addr", "127.0.0.1:0"], "-INT", 0),
        (&["serve", "--addr", "127.0.0.1:0"], "-TERM", 143),
        (&["build"], "-INT", 130),
        (&["request"], "-TERM", 143),
        (&["inspect"], "-TERM", 143),
    ] {
        let _ = fs::remove_file(files.0.join("process"));
        let mut child = wayside();
        let child = child.arg(command[0]).arg(&files.0).args(&command[1..]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let process = process_of(&files.0).await;
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        eventually("the command ends", || child.try_wait().unwrap().is_some()).await;
        assert_eq!(child.wait().unwrap().code(), Some(code), "{command:?} {signal}");
        has_ended(&process).await;
    }
}

/// Starts `dev` and returns its output on stderr, line by line, and its address.
fn start(command: &mut Command) -> (Ended, std::io::Lines<BufReader<std::process::ChildStderr>>, std::net::SocketAddr) {
    let mut dev = Ended(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(dev.0.stderr.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().starts_with("listening on ")).unwrap().unwrap();
    (dev, lines, line.trim_start_matches("listening on http://").trim_end_matches('/').parse().unwrap())
}

async fn text_at(addr: std::net::SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    Wire::exchange_with(addr, &request).await.whole_text()
}

#[tokio::test]
async fn a_changed_environment_file_restarts_the_component_and_a_broken_one_does_not() {
    let files = Crate::new("environment");
    files.write(
        "src/lib.rs",
        "#[wayside::http_component]\nfn handle() -> String { std::env::var(\"WORD\").unwrap() }\n",
    );
    files.write("local.env", "WORD=one\n");
    let (_dev, mut lines, addr) = start(dev(&files).arg("--env-file").arg(files.0.join("local.env")));
    assert_eq!(text_at(addr, "/").await, "one");
    files.write("local.env", "WORD=two\n");
    lines.find(|line| line.as_ref().unwrap().contains("the new component answers")).unwrap().unwrap();
    assert_eq!(text_at(addr, "/").await, "two");
    files.write("local.env", "WORD");
    lines.find(|line| line.as_ref().unwrap().contains("local.env` line 1")).unwrap().unwrap();
    assert_eq!(text_at(addr, "/").await, "two");
    files.write("local.env", "WORD=three\n");
    lines.find(|line| line.as_ref().unwrap().contains("the new component answers")).unwrap().unwrap();
    assert_eq!(text_at(addr, "/").await, "three");
}

#[tokio::test]
async fn the_components_of_a_settings_file_are_served_and_each_is_built_at_its_change() {
    let (one, other) = (Crate::new("settings-one"), Crate::new("settings-other"));
    let source = |text: &str| format!("#[wayside::http_component]\nfn handle() -> &'static str {{ \"{text}\" }}\n");
    one.write("src/lib.rs", &source("one"));
    other.write("src/lib.rs", &source("other"));
    let settings = format!(
        "log = \"text\"\n[component.one]\npath = {:?}\nroute = \"/\"\n[component.other]\npath = {:?}\nroute = \"/other\"\n",
        one.0, other.0
    );
    one.write("wayside.toml", &settings);
    let mut command = wayside();
    command.arg("dev").arg("--settings").arg(one.0.join("wayside.toml"));
    command.args(["--no-inspector", "--addr", "127.0.0.1:0"]);
    let (_dev, mut lines, addr) = start(&mut command);
    assert_eq!((text_at(addr, "/").await, text_at(addr, "/other/x").await), ("one".into(), "other".into()));
    other.write("src/lib.rs", &source("edited"));
    let mut seen = Vec::new();
    let is_built = |line: &str| line.starts_with("other: the new component answers");
    loop {
        let line = lines.next().unwrap().unwrap();
        if is_built(&line) {
            break;
        }
        seen.push(line);
    }
    assert!(seen.iter().any(|line| line.contains("/other/x") && line.contains("200")), "{seen:?}");
    assert_eq!((text_at(addr, "/").await, text_at(addr, "/other").await), ("one".into(), "edited".into()));
}
