//! `wayside request` with a body from a file or a pipe.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};

use super::command::{stderr, wayside};
use super::fixture::{eventually, temp_dir};

const GUESTS: &str = "host-harness/tests/guests";

fn request(path: &str, data: &str, features: &str) -> Command {
    let mut command = wayside();
    command.args(["request", GUESTS, path, "-d", data]);
    if !features.is_empty() {
        command.args(["--features", features]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for the end of a command whose stdin stays open.
async fn ended(what: &str, mut child: Child) -> Output {
    eventually(what, || child.try_wait().unwrap().is_some()).await;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    Output { status: child.wait().unwrap(), stdout, stderr }
}

/// Paths with the exit code and the output. The component responds without reading the body, reads a part of it, fails
/// before the head, or fails after the head.
const ANSWERS: [(&str, i32, &str); 6] = [
    ("/status/200", 0, ""),
    ("/status/404", 4, ""),
    ("/half-read", 0, "5 bytes, then a pause\n"),
    ("/trap", 5, r#"{"title":"Internal Server Error","status":500}"#),
    ("/panic-after-head", 6, "first part"),
    ("/trap-after-head", 6, "first part"),
];

#[tokio::test]
async fn a_request_ends_with_its_response_while_standard_input_is_held_open() {
    for features in ["", "wayside/wasip3"] {
        for (path, code, answer) in ANSWERS {
            let mut child = request(path, "@-", features).stdin(Stdio::piped()).spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(b"first").unwrap();
            let output = ended(&format!("the request for {path} ends"), child).await;
            assert_eq!(output.status.code(), Some(code), "{path}: {}", stderr(&output));
            if !answer.is_empty() {
                assert_eq!(String::from_utf8_lossy(&output.stdout), answer, "{path}");
            }
            drop(stdin);
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_request_ends_with_its_response_while_a_named_pipe_is_held_open() {
    let pipe = temp_dir().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = request("/half-read", &format!("@{}", pipe.display()), "").stdin(Stdio::null()).spawn().unwrap();
    // Opening the pipe blocks until the command has opened it for reading.
    let mut writer = fs::File::options().write(true).open(&pipe).unwrap();
    writer.write_all(b"first").unwrap();
    let output = ended("the request ends", child).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5 bytes, then a pause\n", "{}", stderr(&output));
    drop(writer);
}

#[test]
fn standard_input_that_ends_is_sent_whole() {
    let data: Vec<u8> = (0..2 * 1024 * 1024 + 1).map(|index: u32| (index * 7 % 251) as u8).collect();
    for path in ["/back", "/whole"] {
        let mut child = request(path, "@-", "").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let written = data.clone();
        let writer = std::thread::spawn(move || stdin.write_all(&written).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.stdout == data, "{path}: {} bytes came back: {}", output.stdout.len(), stderr(&output));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn data_that_cannot_be_read_is_named() {
    let output = request("/back", "@/no/such/file", "").stdin(Stdio::null()).output().unwrap();
    super::command::assert_message(&output, &["cannot read the data file `/no/such/file`: ", "help: check the path"]);
}
