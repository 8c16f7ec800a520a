//! The log of `wayside serve`.

use serde_json::Value;

use super::command::{Serving, stderr, stdout};
use super::fixture::Upstream;

const GUESTS: &str = "host-harness/tests/guests";

/// Whether a line matches a pattern in which `*` matches any text.
fn matches(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (number, part) in parts.iter().enumerate() {
        if number + 1 == parts.len() {
            return rest.ends_with(part);
        }
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.is_empty()
}

#[track_caller]
fn assert_lines(text: &str, patterns: &[&str]) {
    let mut lines = text.lines();
    for pattern in patterns {
        assert!(lines.any(|line| matches(line, pattern)), "`{pattern}` is missing, or not in this order, in\n{text}");
    }
}

#[test]
fn a_request_is_a_line_behind_its_output() {
    let server = Serving::start(&[GUESTS, "--log", "text"]);
    server.post("/print?a=b", "one\ntwo");
    server.get("/status/404");
    server.get("/trap");
    let output = server.stop();
    assert_lines(
        &stderr(&output),
        &[
            "#1 stdout: one",
            "#1 stdout: two",
            "#1 stderr: warned",
            "#1 stdout: half",
            "#1 POST /print?a=b 200 in * *s, busy * *s, * MiB",
            "#2 GET /status/404 404 in * *s, busy * *s, * MiB",
            "#3 error: the component `guests` trapped: it reached an `unreachable` instruction*",
            "#3 GET /trap 500 in * *s, busy * *s, * MiB",
        ],
    );
    assert_eq!(stdout(&output), "");
}

/// Serves the component whose work after the response makes a call, with this reply to it, and returns the log.
fn log_of_work_after(reply: &str, flags: &[&str]) -> std::process::Output {
    let mock = super::command::temporary("log-work-after").join("mock.toml");
    std::fs::write(&mock, format!("[[call]]\nreply = {reply}\n")).unwrap();
    let mock = mock.to_string_lossy();
    let args = [GUESTS, "--env", "UPSTREAM=http://up.test", "--mock", &mock];
    let server = Serving::start(&[&args[..], flags].concat());
    server.get("/work-after");
    server.stop()
}

#[test]
fn the_time_of_the_response_and_that_of_the_work_after_it_are_told_apart() {
    let output = log_of_work_after("{ body = \"\", delay-ms = 50 }", &["--log", "text"]);
    assert_lines(&stderr(&output), &["#1 GET /work-after 200 in * *s, then * ms of work, busy * *s, *"]);
    let output = log_of_work_after("{ body = \"\", delay-ms = 50 }", &["--log", "json"]);
    let text = stdout(&output);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let request = lines.into_iter().find(|line| line["kind"] == "request").unwrap();
    let [duration, response, work] =
        ["duration_ms", "response_ms", "work_ms"].map(|key| request[key].as_f64().unwrap());
    assert!(work >= 1.0 && (response + work - duration).abs() < 0.01, "{request}");
}

#[test]
fn a_limit_that_ends_work_after_the_response_says_so_and_names_its_flag() {
    let output = log_of_work_after("{ silence = true }", &["--timeout", "100ms"]);
    let expected = "its work after the response took longer than the limit of 100ms (`--timeout`, `Limits::timeout`)";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn what_no_component_is_shown_has_its_line_as_well() {
    let server = Serving::start(&["examples/hello", "--log", "text"]);
    let upgrade = "GET /socket HTTP/1.1\r\nhost: test\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n";
    for (request, status) in [
        (upgrade, "501 Not Implemented"),
        ("CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\nconnection: close\r\n\r\n", "501 Not Implemented"),
        ("GET /nowhere HTTP/1.1\r\nconnection: close\r\n\r\n", "400 Bad Request"),
    ] {
        let answer = server.send(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
    let output = server.stop();
    assert_lines(&stderr(&output), &["#1 GET /socket 501 in *", "#2 CONNECT / 501 in *", "#3 GET /nowhere 400 in *"]);
}

#[test]
fn a_head_that_the_parser_refuses_has_its_line_as_well() {
    let server = Serving::start(&["examples/hello", "--log", "text"]);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(), "400 Bad Request"),
        ("GET / HTTP/1.1\r\nhost a.test\r\n\r\n".to_owned(), "400 Bad Request"),
        (format!("GET /{} HTTP/1.1\r\nhost: a.test\r\n\r\n", "p".repeat(70_000)), "414 URI Too Long"),
    ] {
        let answer = server.send(&request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
    let output = server.stop();
    let line = "warning: refused a request from 127.0.0.1:* before it reached a component: *";
    assert_lines(&stderr(&output), &[line; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_others_and_fuel_are_part_of_the_line() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nup").await;
    let env = format!("UPSTREAM={}", upstream.url);
    let url = upstream.url.clone();
    let output = tokio::task::spawn_blocking(move || {
        let args = ["examples/proxy", "--env", &env, "--allow-outbound", &url, "--log", "text", "--count-fuel"];
        let server = Serving::start(&args);
        assert!(server.get("/x").ends_with("\r\n\r\nup"));
        server.stop()
    });
    let output = output.await.unwrap();
    assert_lines(&stderr(&output), &["#1 GET /x 200 in * *s, busy * *s, * MiB, 1 call in * *s, fuel *"]);
}

#[test]
fn the_json_log_is_an_object_a_line_with_output_embedded() {
    let server = Serving::start(&[GUESTS, "--log", "json", "--trace-wasi"]);
    server.post("/print", "{\"b\": 1.0,  \"a\": {\"big\": 123456789012345678901}}\nno {json}");
    server.get("/trap");
    let output = server.stop();
    let text = stdout(&output);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let find = |kind: &str, request: u64| {
        let of_kind = move |line: &&Value| line["kind"] == kind && line["request"] == request;
        lines.iter().filter(of_kind).collect::<Vec<_>>()
    };
    let printed = find("output", 1);
    assert_eq!(printed[0]["json"]["b"], 1.0);
    assert!(text.contains(r#","json":{"b": 1.0,  "a": {"big": 123456789012345678901}}}"#), "as it was printed: {text}");
    assert_eq!(printed[0]["stream"], "stdout");
    let rest: Vec<_> = printed[1..].iter().map(|line| (line["stream"].as_str(), line["text"].as_str())).collect();
    let expected = [("stdout", "no {json}"), ("stderr", "warned"), ("stdout", "half")];
    assert_eq!(rest, expected.map(|(stream, text)| (Some(stream), Some(text))));

    let [request] = find("request", 1)[..] else { panic!("one line for the request in {text}") };
    assert_eq!(
        (&request["method"], &request["path"], &request["status"]),
        (&"POST".into(), &"/print".into(), &200.into())
    );
    assert_eq!(
        (&request["calls"], &request["end"], &request["response_bytes"]),
        (&0.into(), &"whole".into(), &8.into())
    );
    for number in ["duration_ms", "busy_ms", "head_ms", "memory_bytes", "calls_ms"] {
        assert!(request[number].is_number(), "{number} in {request}");
    }
    assert!(find("wasi", 1).iter().any(|call| call["interface"] == "wasi:http/types"), "{text}");
    let [trap] = find("log", 2)[..] else { panic!("one line for the trap in {text}") };
    assert!(
        trap["level"] == "error" && trap["message"].as_str().unwrap().contains("the component `guests` trapped"),
        "{trap}"
    );
    assert_eq!(find("request", 2)[0]["status"], 500);
    assert_eq!(stderr(&output), "", "stderr has nothing that the log should have");
}

#[test]
fn every_request_has_its_line_under_load() {
    let server = std::sync::Arc::new(Serving::start(&["examples/hello", "--log", "json"]));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let server = std::sync::Arc::clone(&server);
            std::thread::spawn(move || {
                let again = "GET / HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1249);
                server.send(&format!("{again}GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"))
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap().matches("HTTP/1.1 200 OK").count(), 1250);
    }
    let output = std::sync::Arc::into_inner(server).unwrap().stop();
    let mut seen: Vec<u64> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["request"].as_u64().unwrap())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=5000).collect::<Vec<_>>());
}
