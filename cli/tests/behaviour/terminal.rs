//! The command's output contains no control characters and no passwords of URLs.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use super::command::{Serving, run, stderr, stdout, temporary, wayside};
use super::fixture::example;

const GUESTS: &str = "host-harness/tests/guests";
/// Control characters: C0, DEL, C1, bidirectional controls, a line separator.
const HOSTILE: &str = "a\u{1b}[31m\u{7}\u{8}\r\u{7f}\u{9b}\u{202e}\u{2066}\u{61c}\u{2028}z";
const ESCAPED: &str = r"a\u{1b}[31m\u{7}\u{8}\r\u{7f}\u{9b}\u{202e}\u{2066}\u{61c}\u{2028}z";

/// Returns `HOSTILE`, followed by a C1 control as one byte, which is not valid UTF-8.
fn hostile_bytes() -> Vec<u8> {
    [HOSTILE.as_bytes(), b"\x9bz"].concat()
}

fn is_control(char: char) -> bool {
    let is_bidi =
        matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char != '\n' && (char.is_control() || is_bidi)
}

/// Checks that the output of a command is text without control characters.
#[track_caller]
fn assert_clean(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{error}: {:?}", bytes.escape_ascii()));
    assert!(!text.contains(is_control), "a control character in {text:?}");
}

#[track_caller]
fn assert_all_clean(output: &Output) {
    assert_clean(&output.stdout);
    assert_clean(&output.stderr);
}

#[test]
fn output_of_a_component_is_printed_without_control_characters() {
    // The component prints the two halves of the body in separate writes.
    let body = format!("{HOSTILE}\t|{HOSTILE}\tz");
    let output = run(&["request", GUESTS, "/print", "-X", "POST", "-d", &body]);
    assert_eq!(stdout(&output), "printed\n");
    assert_all_clean(&output);
    assert!(stderr(&output).contains(&format!("{ESCAPED}    |{ESCAPED}    z\n")), "{}", stderr(&output));
}

#[test]
fn the_access_log_holds_no_control_characters_as_text_and_as_json() {
    for format in ["text", "json"] {
        let server = Serving::start(&[GUESTS, "--log", format]);
        server.post("/print", &format!("{HOSTILE}{HOSTILE}\nx\r\n{{\"a\":\t\"\u{202e}\u{7f}\"}}\n"));
        server.get("/status/200?q=\u{9b}31m\u{202e}\u{7f}");
        server.get("/panic-before-head");
        let output = server.stop();
        assert_all_clean(&output);
        if format == "json" {
            let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let output = lines.iter().filter(|line| line["kind"] == "output" && line["request"] == 1);
            let texts: Vec<&Value> = output.map(|line| &line["text"]).collect();
            assert_eq!(texts[0], &Value::from(HOSTILE.repeat(2)), "a JSON log keeps the text");
            assert!(lines.iter().any(|line| line["json"]["a"] == "\u{202e}\u{7f}"), "{lines:?}");
        } else {
            assert!(stderr(&output).contains(&ESCAPED.repeat(2)), "{}", stderr(&output));
        }
    }
}

/// Writes a mock whose response has control characters in a header, in its body, and in a trailer. Returns the path.
fn hostile_mock(dir: &std::path::Path) -> String {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    // The control characters that HTTP allows in a header.
    let field = encode(b"a\xc2\x9b\x9b\xe2\x80\xae\tz");
    let mock = format!(
        "[[call]]\n[call.reply]\nfields = [\"x-hostile:: {field}\"]\nbody-base64 = \"{}\"\ntrailers = [\"x-end:: {field}\"]\n",
        encode(&hostile_bytes())
    );
    let file = dir.join("mock.toml");
    fs::write(&file, mock).unwrap();
    file.to_str().unwrap().to_owned()
}

const PROXY: [&str; 5] = ["request", "examples/proxy", "/", "--env", "UPSTREAM=http://up.test"];

#[test]
fn heads_and_trailers_are_printed_without_control_characters_and_bodies_as_they_are() {
    let mock = hostile_mock(&temporary("terminal-head"));
    let output = wayside().args(PROXY).args(["-i", "--mock", &mock]).output().unwrap();
    let body = hostile_bytes();
    let at = output.stdout.windows(body.len()).position(|window| window == body).expect("the body is there");
    let (head, trailers) = (&output.stdout[..at], &output.stdout[at + body.len()..]);
    assert_clean(head);
    assert_clean(trailers);
    let field = r"a\u{9b}\x9b\u{202e}\tz";
    assert!(String::from_utf8_lossy(head).contains(&format!("x-hostile: {field}\n")), "{}", stdout(&output));
    assert_eq!(String::from_utf8_lossy(trailers), format!("x-end: {field}\n"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_terminal_gets_a_body_without_control_characters() {
    let mock = hostile_mock(&temporary("terminal-body"));
    // Names the built component and not its crate, because cargo would print its progress in colours.
    let proxy = example("proxy").await.unwrap().description().path.clone();
    let args = PROXY.join(" ").replace("examples/proxy", proxy.to_str().unwrap());
    let command = format!("{} {args} --mock {mock}", env!("CARGO_BIN_EXE_wayside"));
    let output =
        Command::new("script").current_dir(super::fixture::root()).args(["-qec", &command, "/dev/null"]).output();
    let output = output.expect("`script` of util-linux gives a command a terminal");
    let text = String::from_utf8(output.stdout).unwrap();
    // The terminal ends lines with CRLF.
    let text = text.replace("\r\n", "\n");
    assert!(text.contains(&format!(r"{ESCAPED}\x9bz")), "{text:?}");
    assert_clean(text.as_bytes());
}

#[tokio::test]
async fn names_of_files_are_printed_on_one_line_without_control_characters() {
    let dir = temporary("terminal-files");
    let name = "x\u{1b}[31m\nerror: forged\u{202e}\u{9b}.wasm";
    fs::write(dir.join(name), "text").unwrap();
    let good = "good\u{1b}[31m\nforged\u{202e}.wasm";
    fs::copy(&example("hello").await.unwrap().description().path, dir.join(good)).unwrap();
    for args in [
        &["inspect", name][..],
        &["check", name],
        &["request", name],
        &["serve", name],
        &["dev", name],
        &["bench", name],
        &["compose", name, "--middleware", name, "-o", "out"],
        &["new", name],
        &["build", name],
        &["request", good, "/", "--mock", name],
        &["request", good, "/", "--replay", name],
        &["request", good, "/", "--record", "gone\u{1b}\n/x"],
        &["request", good, "/", "--env-file", name],
        &["request", good, "/", "-d", "@gone\u{1b}\nerror: forged"],
        &["serve", "--settings", name],
        &["inspect", good],
        &["inspect", good, "--json"],
        &["check", good],
        &["check", good, "--json"],
        &["bench", good, "--requests", "1"],
        &["bench", good, "--requests", "1", "--json"],
        &["request", good],
    ] {
        let output = wayside().current_dir(&dir).args(args).output().unwrap();
        assert_all_clean(&output);
        let all = stdout(&output) + &stderr(&output);
        assert!(!all.lines().any(|line| line.trim_start().starts_with("error: forged")), "{args:?}: {all}");
        assert!(!all.lines().any(|line| line.starts_with("forged")), "{args:?}: {all}");
    }
}

#[test]
fn values_of_settings_and_arguments_are_printed_without_control_characters() {
    let dir = temporary("terminal-settings");
    for text in [
        r#""a\u001b[31m\nerror: forged\u202e" = 1"#,
        r#"log = "\u001b[31m\u009b\nerror: forged""#,
        "[component.\"a\\u001b\\nerror: forged\"]\npath = \"\\u001b\\u202e\"\nroute = \"\\u001b\"",
        "[component.a]\npath = \"a\"\ntimeout = \"\\u001b\\u202e\"",
        "[component.a]\npath = \"a\"\nallow-outbound = [\"\\u001b\\u202e\"]",
        "addr = \"\\u001b[31m:x\"\n[component.a]\npath = \"a\"",
    ] {
        fs::write(dir.join("wayside.toml"), text).unwrap();
        let output = wayside().current_dir(&dir).arg("serve").output().unwrap();
        assert!(!output.status.success());
        assert_all_clean(&output);
        assert!(!stderr(&output).contains("\nerror: forged"), "{}", stderr(&output));
    }
    for args in [
        &["request", "x", "/", "--timeout", "\u{1b}[31m\u{202e}"][..],
        &["request", "x", "\u{1b}[31m"],
        &["request", "x", "/", "-H", "\u{1b}[31m: x"],
        &["\u{1b}[31m"],
        &["serve", "x", "--addr", "\u{1b}[31m"],
        &["serve", "x", "--allow-outbound", "\u{9b}31m"],
        &["request", "x", "/", "--keyvalue", "\u{1b}[31m"],
    ] {
        let output = wayside().current_dir(&dir).args(args).output().unwrap();
        assert_all_clean(&output);
        assert!(!output.status.success());
    }
    let output = wayside().env("WAYSIDE_LOG", "\u{1b}[31m=x=y").args(["inspect", "gone"]).output().unwrap();
    assert_all_clean(&output);
}

#[test]
fn the_password_of_a_url_is_printed_nowhere() {
    let upstream = "UPSTREAM=http://ada:s3cret@up.test/path?next=http://bob:s3cret@b.test/";
    let dir = temporary("terminal-passwords");
    let mock = dir.join("mock.toml");
    fs::write(&mock, "[[call]]\nurl = \"http://ada:s3cret@other.test/\"\n").unwrap();
    let cassette = dir.join("cassette.toml");
    let mock = mock.to_str().unwrap();
    let cassette = cassette.to_str().unwrap();
    for features in ["", "wayside/wasip3"] {
        for rest in [&["--trace-wasi"][..], &["--mock", mock], &["--record", cassette], &["--replay", cassette]] {
            let mut command = wayside();
            command.args(["request", GUESTS, "/call", "--env", upstream]).args(rest);
            if !features.is_empty() {
                command.args(["--features", features]);
            }
            let output = command.output().unwrap();
            assert!(!stderr(&output).contains("s3cret"), "{}", stderr(&output));
        }
        assert!(!fs::read_to_string(cassette).unwrap().contains("s3cret"));
    }
    // This component passes the authority of `UPSTREAM` on unchanged, with user name and password.
    let proxy = ["request", "host-harness/tests/raw-proxy", "/", "--env", "UPSTREAM=ada:s3cret@up.test"];
    for rest in [&["--trace-wasi"][..], &["--mock", mock]] {
        let output = run(&[&proxy[..], rest].concat());
        let all = stdout(&output) + &stderr(&output);
        assert!(all.contains("redacted@up.test") && !all.contains("s3cret"), "{all}");
    }
    let server = Serving::start(&[GUESTS, "--log", "json", "--trace-wasi", "--env", upstream]);
    server.get("/call?next=http://ada:s3cret@b.test/");
    let output = server.stop();
    assert!(!stdout(&output).contains("s3cret"), "{}", stdout(&output));
    assert!(stdout(&output).contains("?next=http://redacted@b.test/"), "{}", stdout(&output));
    let output = run(&["request", "x", "/", "--keyvalue", "http://ada:s3cret@a.test"]);
    assert!(stderr(&output).contains("redacted@a.test") && !stderr(&output).contains("s3cret"), "{}", stderr(&output));
}
