//! The environment that a test controls: time and random numbers.

use std::time::{Duration, UNIX_EPOCH};

use wayside_harness::{Clock, Harness, HarnessBuilder, Limits, Outbound};

use super::fixture::{get, guests, raw, text_of};

const HOUR: Duration = Duration::from_secs(3600);

async fn text(app: &Harness, path: &str) -> String {
    let (status, text) = text_of(app, get(path)).await;
    assert_eq!(status, 200, "{path}: {text}");
    text
}

#[tokio::test]
async fn the_time_of_day_is_what_the_test_says_and_moves_when_it_says() {
    let clock = Clock::stopped_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let app = raw("std").clock(&clock).await.unwrap();
    assert_eq!(text(&app, "/now").await, "1800000000");
    assert_eq!(text(&app, "/now").await, "1800000000");
    clock.advance(HOUR);
    assert_eq!(text(&app, "/now").await, "1800003600");
    assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(1_800_003_600));
}

#[tokio::test]
async fn a_sleep_ends_when_the_clock_is_moved_and_not_before() {
    // The host's own time limit uses the real time. It would end a component that really sleeps for an hour.
    let clock = Clock::stopped_at(UNIX_EPOCH);
    for (app, path, expected) in [
        (raw("std"), "/sleep/3600000", "3600000"),
        (raw("service"), "/sleep", "3600000000000 ns"),
        (guests(), "/sleep", "quick slow "),
    ] {
        let app = app.clock(&clock).limits(Limits::default().timeout(HOUR)).await.unwrap();
        let mut answer = std::pin::pin!(text(&app, path));
        let mut moved = Duration::ZERO;
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut answer => break answer,
                span = clock.advance_to_next() => moved += span,
            }
        };
        assert_eq!(answer, expected);
        let asleep = if path == "/sleep" && expected.starts_with("quick") { Duration::from_millis(60) } else { HOUR };
        assert_eq!(moved, asleep, "{path}");
    }
}

#[tokio::test]
async fn a_clock_that_is_moved_too_little_wakes_nobody() {
    let clock = Clock::stopped_at(UNIX_EPOCH);
    let app = raw("std").clock(&clock).limits(Limits::default().timeout(Duration::from_millis(300))).await.unwrap();
    clock.advance(HOUR);
    let asleep = app.request(get("/sleep/1000"));
    let move_on = async {
        // Waits until the component sleeps, and then ends its sleep.
        let next = clock.advance_to_next().await;
        assert_eq!(next, Duration::from_secs(1));
    };
    let (response, ()) = tokio::join!(asleep, move_on);
    assert_eq!(response.status(), 200);
    assert_eq!(text_of(&app, get("/sleep/1000")).await.0, 504);
}

#[tokio::test]
async fn a_time_limit_of_the_component_goes_by_the_clock_of_the_test() {
    let clock = Clock::stopped_at(UNIX_EPOCH);
    let silent = Outbound::from_fn(async |_| std::future::pending().await);
    let app = guests().env("UPSTREAM", "http://api.test").outbound(silent).clock(&clock).await.unwrap();
    let (answer, moved) = tokio::join!(text(&app, "/deadline/3600000"), clock.advance_to_next());
    assert!(answer.starts_with("head: timeout=true"), "{answer}");
    assert!(moved <= HOUR && moved > HOUR / 2, "{moved:?}");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_random_numbers() {
    for (app, path) in [(raw as fn(&str) -> HarnessBuilder, "/hash"), (raw, "/random")] {
        let name = if path == "/hash" { "std" } else { "service" };
        let two = async |seed: Option<u64>| {
            let app = match seed {
                Some(seed) => app(name).seed(seed).await.unwrap(),
                None => app(name).await.unwrap(),
            };
            [text(&app, path).await, text(&app, path).await]
        };
        let first = two(Some(7)).await;
        assert_eq!(two(Some(7)).await, first);
        assert_ne!(two(Some(8)).await, first);
        assert_ne!(two(None).await, first);
        assert_ne!(first[0], first[1], "each instance has numbers of its own");
    }
}

#[tokio::test]
async fn a_trap_shows_where_it_was_with_file_and_line() {
    let app = raw("std").await.unwrap();
    assert_eq!(app.request(get("/panic/x")).await.status(), 500);
    app.idle().await;
    let reason = app.traps()[0].reason.clone();
    let lines: Vec<&str> = reason.lines().collect();
    assert_eq!(lines[0], "it reached an `unreachable` instruction, as after a panic");
    assert_eq!(lines[1], "   0: raw_std::component::give_up");
    assert!(lines[2].starts_with("        at ") && lines[2].contains("raw-std/src/lib.rs:"), "{reason}");
    assert!(lines[3].contains("handle") && lines[4].contains("raw-std/src/lib.rs:"), "{reason}");
    // The backtrace leaves out the frames of the panic machinery and of the handler's caller, which do not help the
    // author of a component.
    assert_eq!(lines.len(), 5, "{reason}");
}

#[tokio::test]
async fn a_trap_of_a_stripped_component_says_how_to_see_more() {
    let app = guests().await.unwrap();
    assert_eq!(app.request(get("/trap")).await.status(), 500);
    app.idle().await;
    let reason = app.traps()[0].reason.clone();
    assert!(reason.contains("help: the component was stripped; `strip = false`"), "{reason}");
}
