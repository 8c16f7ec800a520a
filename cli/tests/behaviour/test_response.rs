//! The checks of `TestResponse`, and the messages with which they fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;
use wayside_harness::http::Request;
use wayside_harness::{Body, TestResponse};

use super::fixture::{example, get, guests, post, raw};

/// Returns the message of a failing check.
fn complaint<T>(check: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        check();
    }))
    .expect_err("the check holds");
    panic.downcast_ref::<String>().unwrap().clone()
}

#[tokio::test]
async fn checks_that_hold_can_be_chained() {
    let app = example("json").await.unwrap();
    let request = Request::post("/").header("content-type", "application/json").body(r#"{"numbers": [1, 2]}"#).unwrap();
    let answer = app.ask(request).await;
    answer.assert_status(200).assert_header("content-type", "application/json").assert_whole();
    answer.assert_json(json!({"sum": 3, "count": 2})).assert_body(answer.text());
    let app = raw("hello").await.unwrap();
    app.ask(get("/")).await.assert_status(200);
    app.ask(post("/", "x")).await.assert_status(200);
}

#[tokio::test]
async fn a_check_that_fails_shows_both_sides_the_response_and_what_the_component_wrote() {
    let app = guests().await.unwrap();
    app.ask(get("/error")).await;
    let answer = app.ask(get("/panic-before-head/x")).await;
    let text = complaint(|| answer.assert_status(200));
    assert!(
        text.starts_with("the response is not as expected\n  status\n  expected: 200\n  found:    500\n"),
        "{text}"
    );
    assert!(
        text.contains("the response:\n  500 Internal Server Error\n  content-type: application/problem+json"),
        "{text}"
    );
    assert!(text.contains("\n\n  {\"title\":\"Internal Server Error\",\"status\":500}\n"), "{text}");
    assert!(text.contains("the component wrote:\n  GET /panic-before-head/x: panicked at "), "{text}");
    assert!(text.contains("the component trapped:\n  it reached an `unreachable` instruction"), "{text}");
    assert!(!text.contains("GET /error"), "an earlier request is none of its business: {text}");
}

#[tokio::test]
async fn each_check_names_what_it_looked_at() {
    let app = guests().await.unwrap();
    let cut = app.ask(get("/panic-after-head")).await;
    cut.assert_broken();
    let text = complaint(|| cut.assert_body("first part"));
    assert!(text.contains("body\n  expected: a whole one\n  found:    10 bytes, then: "), "{text}");

    let response = wayside_harness::http::Response::builder().header("x-a", "1").header("x-a", "2");
    let answer = TestResponse::of(response.body(Body::from(r#"{"a": [1, 2]}"#)).unwrap()).await;
    answer.assert_header("x-a", "2");
    for (text, expected) in [
        (complaint(|| answer.assert_header("x-a", "3")), "field x-a\n  expected: 3\n  found:    1\n            2\n"),
        (complaint(|| answer.assert_header("x-b", "3")), "field x-b\n  expected: 3\n  found:    nothing\n"),
        (complaint(|| answer.assert_trailer("x-a", "1")), "trailer x-a\n  expected: 1\n  found:    nothing\n"),
        (complaint(|| answer.assert_broken()), "body\n  expected: one that breaks off\n  found:    a whole one of 13"),
        (complaint(|| answer.assert_body("{}")), "  body: expected `{}`, found `{\"a\": [1, 2]}`; 2 bytes against 13"),
        (complaint(|| answer.assert_json(json!({"a": [1, 3]}))), "  body.a[1]: expected `3`, found `2`\n"),
        (complaint(|| answer.json::<Vec<u8>>()), "body\n  expected: JSON for `alloc::vec::Vec<u8>`\n  found:    "),
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
