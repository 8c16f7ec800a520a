//! The errors that the host gives to components or logs are plain sentences, even if environment variables ask for
//! backtraces.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use super::FEATURES;
use super::fixture::is_wasip3;
use crate::command::{Serving, stderr, stdout, wayside};

/// An upstream on loopback that answers one call with these bytes and closes the connection.
fn upstream(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

/// Returns a command whose environment asks for backtraces of errors.
fn with_backtraces(args: &[&str]) -> Command {
    let mut command = wayside();
    command.env("RUST_BACKTRACE", "1").args(args);
    for feature in FEATURES {
        command.args(["--features", feature]);
    }
    command
}

#[track_caller]
fn assert_sentences(text: &str) {
    for bad in ["backtrace", "stack", "Caused by", ".rs:", "   0: "] {
        assert!(!text.contains(bad), "`{bad}` in {text}");
    }
    assert!(text.lines().all(|line| line.len() < 400), "{text}");
}

fn call(url: &str, guest: &str, path: &str) -> (String, String) {
    let env = format!("UPSTREAM={url}");
    let output = with_backtraces(&["request", guest, path, "--env", &env, "--allow-outbound", url]).output().unwrap();
    (stdout(&output), stderr(&output))
}

const GUESTS: &str = "host-harness/tests/guests";

#[test]
fn a_response_body_that_breaks_off_is_told_in_a_sentence() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n",
    ] {
        let (text, log) = call(&upstream(answer), GUESTS, "/call");
        assert!(text.contains("incomplete=true: the body broke off after"), "{text}{log}");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_sentences(&text);
        assert_sentences(&log);
    }
}

#[test]
fn a_call_without_a_response_is_told_in_a_sentence() {
    let (text, log) = call(&upstream("not HTTP\r\n\r\n"), GUESTS, "/call");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_sentences(&text);
    assert_sentences(&log);
}

#[test]
fn a_response_that_is_cut_is_logged_in_a_sentence() {
    let url = upstream("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello");
    let (_, log) = call(&url, "examples/proxy", "/");
    // In WASI 0.3 the host moves the body, so the component has nothing to log.
    assert!(log.contains("the response was cut: the body broke off after 5 of 100 bytes") || is_wasip3(), "{log}");
    assert!(log.contains("the response broke off"), "{log}");
    assert_sentences(&log);
}

#[test]
fn a_request_body_that_breaks_off_is_told_in_a_sentence() {
    let mut args = vec!["serve", GUESTS];
    for feature in FEATURES {
        args.extend(["--features", feature]);
    }
    let server = Serving::spawn(wayside().env("RUST_BACKTRACE", "1").args(args));
    for framing in ["content-length: 100\r\n\r\nonly this", "transfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n"] {
        let mut stream = std::net::TcpStream::connect(server.addr()).unwrap();
        write!(stream, "POST /whole HTTP/1.1\r\nhost: test\r\n{framing}").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let log = stderr(&server.stop());
    assert!(log.matches("the body broke off").count() >= 2, "{log}");
    assert_sentences(&log);
}

/// This component does not use the SDK, and prints the error that the host gives it.
#[test]
fn a_component_of_others_is_told_of_a_body_that_breaks_off_in_a_sentence() {
    let url = upstream("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello");
    let env = format!("UPSTREAM={}", url.trim_start_matches("http://"));
    let args = ["request", "host-harness/tests/raw-proxy", "/", "--env", &env, "--allow-outbound", &url];
    let log = stderr(&wayside().env("RUST_BACKTRACE", "1").args(args).output().unwrap());
    assert!(log.lines().any(|line| line == "incomplete HTTP response"), "{log}");
    assert_sentences(&log);
}
