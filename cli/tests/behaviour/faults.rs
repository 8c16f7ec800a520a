//! Injected faults of upstreams. A component responds correctly or with an error, and never with a part that looks
//! complete.

use std::process::Command;
use std::{env, fs};

use futures_util::{StreamExt as _, stream};
use wayside_harness::http::{Request, Response};
use wayside_harness::{Body, Fault, Harness, Outbound};

use super::fixture::{example, get, raw, text_of};

/// Answers each path with a different text. A text of even length is sent with `content-length`, a text of odd length
/// is streamed without it.
fn upstream() -> Outbound {
    Outbound::from_fn(async |request: Request<Body>| {
        let text = answer_to(request.uri().path());
        if text.len().is_multiple_of(2) {
            let length = text.len();
            return Ok(Response::builder().header("content-length", length).body(text.into()).unwrap());
        }
        let (first, rest) = text.split_at(text.len() / 3);
        let frames = [first.to_owned(), rest.to_owned()].map(|part| Ok::<_, std::io::Error>(part.into()));
        let frames =
            frames.map(|part| part.map(wayside_harness::http_body::Frame::<wayside_harness::bytes::Bytes>::data));
        Ok(Response::new(Body::new(http_body_util::StreamBody::new(stream::iter(frames)))))
    })
}

fn answer_to(path: &str) -> String {
    let number: usize = path.trim_start_matches('/').parse().unwrap();
    format!("this is {path}; ").repeat(1 + number % 400)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    right: usize,
    refused: usize,
    cut: usize,
}

/// Sends requests, and checks that each response is right or reports an error.
async fn counts(app: &Harness, paths: impl Iterator<Item = usize>, at_once: usize) -> Counts {
    let mut counts = Counts::default();
    let answers = stream::iter(paths).map(async |number| {
        let path = format!("/{number}");
        let response = app.request(get(&path)).await;
        (path, response.status().as_u16(), response.into_body().bytes().await)
    });
    let mut answers = std::pin::pin!(answers.buffer_unordered(at_once));
    while let Some((path, status, body)) = answers.next().await {
        match (status, body) {
            (200, Ok(body)) => {
                assert_eq!(body, answer_to(&path), "a part passes for the whole");
                counts.right += 1;
            }
            (200, Err(_)) => counts.cut += 1,
            (500..=504, Ok(_)) => counts.refused += 1,
            (status, body) => panic!("{path}: {status} {body:?}"),
        }
    }
    counts
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    let run = async |seed| {
        let faults = Outbound::faults(upstream(), 0.5, seed, Fault::ALL);
        let app = raw("proxy").env("UPSTREAM", "api.test").outbound(faults).await.unwrap();
        let mut answers = Vec::new();
        for number in 0..60 {
            let response = app.request(get(&format!("/{number}"))).await;
            answers.push((response.status(), response.into_body().bytes().await.ok()));
        }
        answers
    };
    let first = run(1).await;
    assert_eq!(run(1).await, first);
    assert_ne!(run(2).await, first);
}

#[tokio::test]
async fn each_kind_of_fault_is_what_it_says() {
    for (fault, expected) in [
        (Fault::Refused, "ErrorCode::ConnectionRefused"),
        (Fault::LookupFailed, "ErrorCode::DnsError("),
        (Fault::TimedOut, "ErrorCode::ConnectionTimeout"),
        (Fault::ServerError, "an injected fault"),
        (Fault::Slow, "this is /0; "),
    ] {
        let outbound = Outbound::faults(upstream(), 1.0, 7, [fault]);
        let app = raw("proxy").env("UPSTREAM", "api.test").outbound(outbound).await.unwrap();
        let (status, text) = text_of(&app, get("/0")).await;
        assert!(text.starts_with(expected), "{fault:?}: {text}");
        assert_eq!(status >= 500, fault != Fault::Slow, "{fault:?}");
    }
    for fault in [Fault::Reset, Fault::Truncated, Fault::Stalled] {
        let outbound = Outbound::faults(upstream(), 1.0, 7, [fault]);
        let app = raw("proxy").env("UPSTREAM", "api.test").outbound(outbound).await.unwrap();
        let counts = counts(&app, 0..20, 1).await;
        assert_eq!(counts, Counts { cut: 20, ..Counts::default() }, "{fault:?}");
    }
}

/// Whether this process runs only this test, so that its memory can be measured. If not, runs the test in a new process
/// before it returns `false`.
fn alone(test: &str) -> bool {
    const ALONE: &str = "WAYSIDE_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let run = Command::new(env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(ALONE, "1").output();
    let run = run.unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && output.contains("1 passed"), "{output}{}", String::from_utf8_lossy(&run.stderr));
    false
}

/// Returns the memory in use by this process, in bytes.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn twenty_thousand_requests_with_faults_are_right_or_an_error_and_leave_nothing_behind() {
    if !alone("faults::twenty_thousand_requests_with_faults_are_right_or_an_error_and_leave_nothing_behind") {
        return;
    }
    let faults = Outbound::faults(upstream(), 0.2, 42, Fault::ALL);
    let app = example("proxy").env("UPSTREAM", "http://api.test").outbound(faults).reuse(100).await.unwrap();
    // The harness keeps records of the newest 10 000 requests, so its memory grows up to this number.
    let mut all = counts(&app, 0..10_000, 32).await;
    let before = resident_bytes();
    let rest = counts(&app, 10_000..20_000, 32).await;
    let grown = resident_bytes().saturating_sub(before);
    all = Counts { right: all.right + rest.right, refused: all.refused + rest.refused, cut: all.cut + rest.cut };
    app.idle().await;
    assert_eq!(all.right + all.refused + all.cut, 20_000);
    // A fifth of the calls has a fault: one eighth of these are slow and right, four eighths refused, three eighths
    // cut.
    assert!((16_000..17_000).contains(&all.right) && all.refused > 1_800 && all.cut > 1_300, "{all:?}");
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    println!("{all:?}; memory grew by {grown} bytes from {before}");
    assert!(grown < 32 * 1024 * 1024, "memory grew by {grown} bytes from {before}");
}
