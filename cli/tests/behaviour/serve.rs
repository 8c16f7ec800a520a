//! The flags of `wayside serve` and `wayside request`.

use std::fs;

use super::command::{Serving, assert_message, run, stderr, stdout, temporary};
use super::fixture::{Upstream, read_head};

const GUESTS: &str = "host-harness/tests/guests";

#[test]
fn an_environment_file_sets_variables_and_the_flag_wins() {
    let file = temporary("env-file").join(".env");
    fs::write(&file, "# settings\nNAME='two words'\nexport WON=file\n").unwrap();
    let file = file.to_string_lossy();
    let output = run(&["request", GUESTS, "/surroundings", "--env-file", &file, "--env", "WON=flag"]);
    assert_eq!(stdout(&output), "NAME=two words WON=flag; no threads\n");
}

#[test]
fn a_variable_that_is_set_twice_has_its_last_value_and_a_warning_names_both_lines() {
    let file = temporary("env-file-twice").join(".env");
    fs::write(&file, "\u{feff}A=1\r\nexport\tB=2\r\n\r\nA=3\r\n").unwrap();
    let output = run(&["request", GUESTS, "/surroundings", "--env-file", &file.to_string_lossy()]);
    assert_eq!(stdout(&output), "A=3 B=2; no threads\n", "{}", stderr(&output));
    let warning = format!("warning: `{}` sets `A` in line 1 and again in line 4, whose value counts", file.display());
    assert!(stderr(&output).starts_with(&warning), "{}", stderr(&output));
}

#[test]
fn a_bad_environment_file_is_named_with_its_line() {
    let file = temporary("bad-env-file").join(".env");
    fs::write(&file, "A=1\n\nthis is nothing\n").unwrap();
    let output = run(&["request", GUESTS, "--env-file", &file.to_string_lossy()]);
    assert_message(&output, &["line 3: it has no `=`", "help: write `NAME=VALUE`"]);
    let output = run(&["serve", GUESTS, "--env-file", "no/such/file"]);
    assert_message(&output, &["cannot read the environment file `no/such/file`: ", "help: check the path"]);
}

#[test]
fn a_timeout_ends_a_component_with_504() {
    let output = run(&["request", GUESTS, "/spin", "-i", "--timeout", "200ms"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(stdout(&output).starts_with("504 Gateway Timeout\n"), "{}", stdout(&output));
    assert!(stderr(&output).contains("longer than the limit of 200ms (`--timeout`, "), "{}", stderr(&output));
}

#[test]
fn a_limit_of_memory_is_kept() {
    let output = run(&["request", GUESTS, "/memory", "--max-memory", "10 MiB"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("more than its 10485760 bytes of memory"), "{}", stderr(&output));
}

#[test]
fn a_limit_of_bodies_is_kept() {
    let server = Serving::start(&[GUESTS, "--max-body", "1KiB"]);
    assert!(server.post("/whole", &"x".repeat(1024)).starts_with("HTTP/1.1 200 OK\r\n"));
    let answer = server.post("/whole", &"x".repeat(1025));
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
    server.stop();
}

#[test]
fn sizes_and_durations_say_how_they_are_written() {
    for (flag, value, help) in [
        ("--max-body", "ten", "write a size as `10 MiB`"),
        ("--max-memory", "5 MX", "write a size as `10 MiB`"),
        ("--timeout", "30", "write a duration with its unit, as `30s`"),
        ("--timeout", "0s", "it must be above zero"),
        ("--client-timeout", "30", "write a duration with its unit, as `30s`"),
        ("--drain-timeout", "0s", "it must be above zero"),
        ("--max-concurrency", "0", "0 is not in 1.."),
        ("--reuse", "none", "invalid digit"),
    ] {
        let output = run(&["serve", GUESTS, flag, value]);
        assert_eq!(output.status.code(), Some(2), "{flag} {value}");
        assert!(stderr(&output).contains(help), "{}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_requests_run_at_once_as_the_flag_says() {
    let let_go = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let upstream = Upstream::with({
        let let_go = std::sync::Arc::clone(&let_go);
        move |mut stream| {
            let let_go = std::sync::Arc::clone(&let_go);
            async move {
                read_head(&mut stream).await;
                let _turn = let_go.acquire().await.unwrap();
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nup";
                tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
            }
        }
    })
    .await;
    let env = format!("UPSTREAM={}", upstream.url);
    let server = tokio::task::spawn_blocking({
        let url = upstream.url.clone();
        move || Serving::start(&["examples/proxy", "--env", &env, "--allow-outbound", &url, "--max-concurrency", "1"])
    });
    let server = std::sync::Arc::new(server.await.unwrap());
    let requests: Vec<_> = (0..2)
        .map(|_| {
            let server = std::sync::Arc::clone(&server);
            tokio::task::spawn_blocking(move || server.get("/"))
        })
        .collect();
    super::fixture::eventually("one request runs", || upstream.connections() == 1).await;
    let_go.add_permits(1);
    for request in requests {
        assert!(request.await.unwrap().ends_with("\r\n\r\nup"));
    }
    std::sync::Arc::into_inner(server).unwrap().stop();
}

#[test]
fn each_call_to_the_host_is_told_on_demand() {
    let output = run(&["request", "examples/proxy", "/", "--env", "UPSTREAM=http://denied.test", "--trace-wasi"]);
    let text = stderr(&output);
    for call in [
        "#1 wasi:cli/environment get-environment() -> ...\n",
        "#1 wasi:http/types [method]outgoing-request.set-authority(self: resource ",
        "authority: Some(\"denied.test\")) -> Ok(())\n",
        "#1 wasi:http/outgoing-handler handle(request: resource ",
    ] {
        assert!(text.contains(call), "`{call}` is missing in {text}");
    }
    let output = run(&["request", "examples/hello"]);
    assert!(!stderr(&output).contains("wasi:"), "{}", stderr(&output));
}

#[test]
fn what_is_kept_out_of_a_cassette_can_be_named() {
    let cassette = temporary("redact").join("tape.toml");
    let cassette = cassette.to_string_lossy();
    let call =
        ["request", "examples/proxy", "/?sig=s3cret", "-H", "x-session: s3cret", "--env", "UPSTREAM=http://a.test"];
    run(&[&call[..], &["--record", &cassette, "--redact", "sig", "--redact", "X-Session"]].concat());
    let text = fs::read_to_string(&*cassette).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    assert!(text.contains("/?sig=redacted\"") && text.contains("x-session: <redacted>"), "{text}");
    let output = run(&[&call[..], &["--redact", "sig=s3cret"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("write the name alone, as `x-session`"), "{}", stderr(&output));
}
