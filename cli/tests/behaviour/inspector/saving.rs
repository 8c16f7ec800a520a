//! Requests that the inspector saves as tests, and those that it refuses to save.

use std::{env, fs};

use http_body_util::StreamBody;
use serde_json::Value;
use wayside_harness::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, ErrorCode, Harness, Inspector, Outbound};

use super::{finished, inspected, page, send};
use crate::fixture::{get, guests, post, root};

/// Saves a request as a test, and checks that its source equals the file in `saved`, apart from the directory of the
/// crate.
async fn saved(inspector: &Inspector, number: u64, name: &str) {
    finished(inspector, number).await;
    let text = page(inspector, &format!("/requests/{number}/test.rs")).await.whole_text();
    let text = text.replace("Harness::build(\".\")", "Harness::build(\"../host-harness/tests/guests\")");
    let file = root().join("cli/tests/behaviour/saved").join(name).with_extension("rs");
    if env::var("SAVED").as_deref() == Ok("write") {
        fs::write(&file, &text).unwrap();
    }
    let filed = fs::read_to_string(&file).unwrap();
    assert!(text == filed, "{} is another; `SAVED=write cargo test inspector` writes it anew:\n{text}", file.display());
}

#[tokio::test]
async fn a_request_is_saved_as_a_test_that_compiles_and_holds() {
    let (app, inspector) = inspected().await;
    let nasty = Request::builder().method("POST").uri("http://a.test/mirror/%22/x?q='&%7B");
    let mut nasty =
        nasty.header("authorization", "Bearer \"secret\"").body(Body::from(b"{\"\\ \xff\0\n}".to_vec())).unwrap();
    for value in [b"\xe9\\\"'".as_slice(), b"two", b"{}"] {
        nasty.headers_mut().append("x-bytes", HeaderValue::from_bytes(value).unwrap());
    }
    send(&app, nasty).await;
    saved(&inspector, 1, "mirror").await;
    send(&app, post("/call", "text \"{}\" \u{301}\u{202e}\n")).await;
    saved(&inspector, 2, "call").await;
}

#[tokio::test]
async fn the_asterisk_of_an_options_request_is_saved_as_it_was() {
    let (app, inspector) = inspected().await;
    let request = Request::options("*").header("host", "a.test").header("x-mirror-status", "200");
    send(&app, request.body(Body::empty()).unwrap()).await;
    saved(&inspector, 1, "asterisk").await;
}

/// Opens the component of [`guests`] with an inspector, and with an upstream that gives these answers in turn.
async fn with_answers(answers: Vec<Result<Response<Body>, ErrorCode>>) -> (Harness, Inspector) {
    let answers = std::sync::Mutex::new(std::collections::VecDeque::from(answers));
    let upstream = Outbound::from_fn(move |request: Request<Body>| {
        let answer = answers.lock().unwrap().pop_front().unwrap();
        async move {
            request.into_body().bytes().await.unwrap();
            answer
        }
    });
    let app = guests().env("UPSTREAM", "http://up.test/").outbound(upstream).capture_bodies(1024).await.unwrap();
    let inspector = app.inspector("127.0.0.1:0").await.unwrap();
    (app, inspector)
}

#[tokio::test]
async fn failed_and_equal_calls_are_saved_as_they_were_answered() {
    let dns = ErrorCode::DnsError { rcode: Some("no \"name\"".to_owned()), info_code: Some(3) };
    let (app, inspector) = with_answers(vec![
        Err(ErrorCode::HttpRequestDenied),
        Ok(Response::new("one".into())),
        Err(ErrorCode::ConnectionRefused),
        Ok(Response::new("three".into())),
        Err(dns),
    ])
    .await;
    send(&app, post("/call", "x")).await;
    assert!(finished(&inspector, 1).await["response"]["text"].as_str().unwrap().starts_with("denied: "));
    saved(&inspector, 1, "denied").await;
    send(&app, get("/call-each/4")).await;
    saved(&inspector, 2, "each").await;
}

#[tokio::test]
async fn an_answer_that_the_component_did_not_read_is_saved_as_far_as_it_is_known() {
    let (app, inspector) = with_answers(vec![Ok(Response::builder()
        .status(202)
        .header("content-length", "9")
        .body("whatever\n".into())
        .unwrap())])
    .await;
    send(&app, get("/early-end/3")).await;
    assert_eq!(finished(&inspector, 1).await["made"][0]["end"], "given up by its reader");
    saved(&inspector, 1, "unread").await;
}

#[tokio::test]
async fn trailers_of_requests_responses_and_calls_are_saved() {
    let fields = |fields: &[(&'static str, &[u8])]| {
        let field = |(name, value): &(&'static str, &[u8])| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        };
        fields.iter().map(field).collect::<HeaderMap>()
    };
    let body = Body::from("abc").with_trailers(fields(&[("x-sum", b"7"), ("x-sum", b"8")]));
    let (app, inspector) = with_answers(vec![Ok(Response::new(body))]).await;
    let body = Body::from("").with_trailers(fields(&[("x-digest", b"abc"), ("x-digest", b"\xff\"")]));
    send(&app, post("/trailers", body)).await;
    saved(&inspector, 1, "trailers").await;
    send(&app, get("/call")).await;
    saved(&inspector, 2, "trailers_of_a_call").await;
}

/// Checks that a request cannot be saved, and that both its record and the refusal give this reason.
async fn assert_unsavable(inspector: &Inspector, number: u64, reason: &str) {
    let told = finished(inspector, number).await;
    assert_eq!((&told["unsavable"], &told["unrepeatable"]), (&reason.into(), &Value::Null));
    let refused = page(inspector, &format!("/requests/{number}/test.rs")).await;
    assert!(refused.status == 409 && refused.whole_text().contains(reason), "{refused:?}");
}

#[tokio::test]
async fn what_a_mock_could_not_answer_as_it_was_is_not_saved() {
    let cut = futures_util::stream::iter([Ok(Frame::data("half".into())), Err(ErrorCode::HttpResponseIncomplete)]);
    let mut answers =
        vec![Ok(Response::new("x".repeat(1025).into())), Ok(Response::new(Body::new(StreamBody::new(cut))))];
    answers.extend((0..101).map(|_| Ok(Response::new("x".into()))));
    let (app, inspector) = with_answers(answers).await;
    send(&app, get("/call")).await;
    assert_unsavable(&inspector, 1, "the answer to a call was longer than what was kept of it").await;
    send(&app, get("/call")).await;
    assert_unsavable(&inspector, 2, "the answer to a call broke off").await;
    send(&app, get("/call-each/101")).await;
    assert_unsavable(&inspector, 3, "not all of its calls were kept").await;
}

#[tokio::test]
async fn settings_may_be_secrets() {
    let warning = "It may hold secrets";
    for (app, expected) in [(guests(), false), (guests().env("A", "b"), true), (guests().config("a", "b"), true)] {
        let app = app.capture_bodies(1024).await.unwrap();
        let inspector = app.inspector("127.0.0.1:0").await.unwrap();
        send(&app, get("/status/200")).await;
        finished(&inspector, 1).await;
        let test = page(&inspector, "/requests/1/test.rs").await.whole_text();
        assert_eq!(test.contains(warning), expected, "{test}");
    }
}

#[tokio::test]
async fn what_a_cassette_keeps_out_is_warned_of_in_a_saved_test() {
    let app = guests().capture_bodies(1024).await.unwrap();
    let inspector = app.inspector("127.0.0.1:0").await.unwrap();
    let form = |body: &'static str| {
        Request::post("/mirror")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap()
    };
    let field = |name: &str, value: &str| Request::get("/mirror").header(name, value).body(Body::empty()).unwrap();
    let requests = [
        (get("/status/200?page=1"), false),
        (get("/status/200?sig=1"), true),
        (get("/status/200?X-Amz-%53ignature=1"), true),
        (form("user=ada"), false),
        (form("user=ada&password=1"), true),
        (field("x-plain", "1"), false),
        (field("x-goog-api-key", "1"), true),
        (field("location", "https://a.test/?access_token=1"), true),
    ];
    for (number, (request, expected)) in (1..).zip(requests) {
        send(&app, request).await;
        finished(&inspector, number).await;
        let test = page(&inspector, &format!("/requests/{number}/test.rs")).await.whole_text();
        assert_eq!(test.contains("It may hold secrets"), expected, "{test}");
    }
}
