//! Every example, run as a component.

use std::fs;

use wayside_harness::http::Request;
use wayside_harness::{Body, Harness};

use super::fixture::{Upstream, example, get, post, root};

async fn text_of(app: &Harness, request: Request<Body>) -> (u16, String) {
    let response = app.request(request).await;
    (response.status().as_u16(), response.into_body().text().await.unwrap())
}

#[tokio::test]
async fn hello_greets() {
    let app = example("hello").await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (200, "Hello from Wayside!\n".to_owned()));
}

#[tokio::test]
async fn echo_returns_the_body() {
    let app = example("echo").await.unwrap();
    assert_eq!(text_of(&app, post("/", "hello")).await, (200, "hello".to_owned()));
}

#[tokio::test]
async fn headers_shows_each_field() {
    let app = example("headers").await.unwrap();
    let request = Request::get("/p?q=1").header("x-color", "red").header("x-color", "blue").body(Body::empty());
    let (_, text) = text_of(&app, request.unwrap()).await;
    assert_eq!(text, "GET http://localhost/p?q=1\nx-color: red\nx-color: blue\nhost: localhost\n");
}

#[tokio::test]
async fn json_sums_and_refuses_what_does_not_fit() {
    let app = example("json").await.unwrap();
    let ask = async |content_type: &str, body: &'static str| {
        let request = Request::post("/").header("content-type", content_type).body(Body::from(body)).unwrap();
        text_of(&app, request).await
    };
    let json = "application/json";
    assert_eq!(ask(json, r#"{"numbers": [1, 2, 3]}"#).await, (200, r#"{"count":3,"sum":6}"#.to_owned()));
    assert_eq!(ask("text/plain", r#"{"numbers": []}"#).await.0, 415);
    assert_eq!(ask(json, r#"{"numbers": [1,"#).await.0, 400);
    assert_eq!(ask(json, r#"{"numbers": "one"}"#).await.0, 422);
}

#[tokio::test]
async fn json_over_the_limit_is_413() {
    let app = example("json").await.unwrap();
    let body = format!("{{\"numbers\": [{}1]}}", "1,".repeat(1024 * 1024));
    let request = Request::post("/").header("content-type", "application/json").body(body.into()).unwrap();
    assert_eq!(text_of(&app, request).await.0, 413);
}

#[tokio::test]
async fn stream_sends_one_mebibyte() {
    let app = example("stream").await.unwrap();
    let bytes = app.request(get("/")).await.into_body().bytes().await.unwrap();
    assert_eq!(bytes.len(), 1024 * 1024);
    assert!(bytes[16 * 1024 - 1] == b'a' && bytes[16 * 1024] == b'b');
}

#[tokio::test]
async fn upload_tells_the_length() {
    let app = example("upload").await.unwrap();
    let body = vec![7; 3 * 1024 * 1024];
    assert_eq!(text_of(&app, post("/", body)).await, (200, "3145728 bytes\n".to_owned()));
}

#[tokio::test]
async fn proxy_passes_requests_and_responses_through() {
    let upstream = Upstream::answering(
        "HTTP/1.1 418 I'm a teapot\r\nx-from: upstream\r\nkeep-alive: timeout=1\r\ncontent-length: 5\r\n\r\nshort",
    )
    .await;
    let rule = upstream.url.parse().unwrap();
    let outbound = wayside_harness::Outbound::allow([rule]);
    let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    let response = app.request(post("/pot?q=1", "tea")).await;
    assert_eq!(response.status(), 418);
    assert_eq!(response.headers()["x-from"], "upstream");
    assert!(!response.headers().contains_key("keep-alive"));
    assert_eq!(response.into_body().text().await.unwrap(), "short");
}

#[tokio::test]
async fn proxy_without_its_upstream_says_what_is_missing() {
    let app = example("proxy").await.unwrap();
    let (status, text) = text_of(&app, get("/")).await;
    assert_eq!(status, 503);
    assert!(text.contains("UPSTREAM is not set"), "{text}");
}

#[tokio::test]
async fn proxy_cuts_what_its_upstream_cuts() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort").await;
    let outbound = wayside_harness::Outbound::allow([upstream.url.parse().unwrap()]);
    let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    let response = app.request(get("/")).await;
    assert_eq!(response.status(), 200);
    assert!(response.into_body().bytes().await.is_err());
}

#[tokio::test]
async fn fan_out_asks_three_at_once() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine").await;
    let outbound = wayside_harness::Outbound::allow([upstream.url.parse().unwrap()]);
    let app = example("fan-out").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (200, "fine\nfine\nfine\n".to_owned()));
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn three_calls_are_under_way_at_the_same_time() {
    use std::sync::Arc;
    use tokio::sync::Barrier;

    // Each call is answered only when all three have been made.
    let barrier = Arc::new(Barrier::new(3));
    let outbound = wayside_harness::Outbound::from_fn(move |request: Request<Body>| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok(wayside_harness::http::Response::new(request.uri().path().to_owned().into()))
        }
    });
    let app = example("fan-out").env("UPSTREAM", "http://upstream.test").outbound(outbound).await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (200, "/one\n/two\n/three\n".to_owned()));
}

#[test]
fn every_example_and_every_behaviour_has_a_test() {
    let tests: String = fs::read_dir(root().join("host-harness/tests/behaviour"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    for example in fs::read_dir(root().join("examples")).unwrap() {
        let example = example.unwrap();
        if example.path().is_dir() {
            let name = example.file_name().into_string().unwrap();
            assert!(tests.contains(&format!("example(\"{name}\")")), "no test runs the example `{name}`");
        }
    }
    for behaviour in fs::read_dir(root().join("host-harness/tests/guests/src")).unwrap() {
        let name = behaviour.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".rs").replace('_', "-");
        assert!(name == "lib" || tests.contains(&format!("/{name}")), "no test runs the behaviour `{name}`");
    }
}
