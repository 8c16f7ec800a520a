//! The flags that mock, record and replay outbound calls, in place of the network.

use std::fs;

use super::command::{Serving, assert_message, run, stderr, stdout, temporary};
use super::fixture::Upstream;

/// Returns the arguments that send one request to the example `proxy`, with this environment and further flags.
fn proxy<'a>(env: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["request", "examples/proxy", "/a?b=1", "--env", env], rest].concat()
}

#[test]
fn a_mock_file_answers_in_place_of_the_network() {
    let file = temporary("mock-flag").join("mock.toml");
    fs::write(&file, "[[call]]\nurl = \"http://up.test/a\"\nquery = { b = \"1\" }\nreply = { body = \"mocked\" }\n")
        .unwrap();
    let output = run(&proxy("UPSTREAM=http://up.test", &["--mock", &file.to_string_lossy()]));
    assert_eq!(stdout(&output), "mocked", "{}", stderr(&output));
    let output = run(&proxy("UPSTREAM=http://other.test", &["--mock", &file.to_string_lossy()]));
    assert_eq!(output.status.code(), Some(5), "{}", stdout(&output));
    assert!(stderr(&output).contains("http://other.test/a?b=1"), "{}", stderr(&output));
}

#[test]
fn a_mock_file_that_cannot_be_understood_is_named_with_line_and_column() {
    let file = temporary("bad-mock-flag").join("mock.toml");
    fs::write(&file, "[[call]]\nulr = \"http://up.test/a\"\n").unwrap();
    let output = run(&proxy("UPSTREAM=http://up.test", &["--mock", &file.to_string_lossy()]));
    assert_message(&output, &["mock.toml` cannot be understood, line 2, column 1", "`ulr`", "help: "]);
    let output = run(&proxy("UPSTREAM=http://up.test", &["--replay", "no/such.toml"]));
    assert_message(&output, &["no/such.toml`", "help: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_replayed_without_the_network() {
    let upstream = Upstream::answering("HTTP/1.1 203 Hm\r\ncontent-length: 8\r\nx-up: 1\r\n\r\nrecorded").await;
    let env = format!("UPSTREAM={}", upstream.url);
    let cassette = temporary("record-flag").join("calls.toml").to_string_lossy().into_owned();
    let recorded = tokio::task::spawn_blocking({
        let (env, url, cassette) = (env.clone(), upstream.url.clone(), cassette.clone());
        move || run(&proxy(&env, &["-i", "--allow-outbound", &url, "--record", &cassette]))
    });
    let recorded = recorded.await.unwrap();
    assert!(recorded.status.success(), "{}", stderr(&recorded));
    assert_eq!(upstream.connections(), 1);
    drop(upstream);
    tokio::task::spawn_blocking(move || {
        let replayed = run(&proxy(&env, &["-i", "--replay", &cassette]));
        assert_eq!(stdout(&replayed), stdout(&recorded));
        assert!(stdout(&replayed).ends_with("recorded"), "{}", stdout(&replayed));
        let other = ["request", "examples/proxy", "/other", "--env", &env, "--replay", &cassette];
        let output = run(&other);
        assert_eq!(output.status.code(), Some(5));
        assert!(stderr(&output).contains("/other"), "{}", stderr(&output));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_learned_is_what_must_be_allowed() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nup").await;
    let file = temporary("learn-flag").join("rules");
    let url = upstream.url.clone();
    tokio::task::spawn_blocking(move || {
        let env = format!("UPSTREAM={url}");
        let path = file.to_string_lossy();
        let server = Serving::start(&["examples/proxy", "--env", &env, "--learn-outbound", &path]);
        assert!(server.get("/").ends_with("\r\n\r\nup"));
        server.stop();
        let learned = fs::read_to_string(&file).unwrap();
        assert_eq!(learned.trim_end(), url);
        let output = run(&proxy(&env, &["--allow-outbound", learned.trim_end()]));
        assert_eq!(stdout(&output), "up", "{}", stderr(&output));
    })
    .await
    .unwrap();
}

#[test]
fn flags_that_answer_the_same_calls_are_refused_together() {
    for flags in [
        ["--mock", "--allow-outbound"],
        ["--mock", "--record"],
        ["--mock", "--replay"],
        ["--replay", "--allow-outbound"],
        ["--replay", "--record"],
        ["--learn-outbound", "--allow-outbound"],
    ] {
        let output = run(&["serve", "examples/proxy", flags[0], "x.test", flags[1], "y.test"]);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        let text = stderr(&output);
        assert!(text.contains("cannot be used with") && flags.iter().all(|flag| text.contains(flag)), "{text}");
    }
}
