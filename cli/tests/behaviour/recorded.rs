//! Which request bodies of outbound calls a cassette records as complete.

use wayside_harness::http::{Request, Response};
use wayside_harness::{Body, Harness, HarnessBuilder, Outbound};

use super::fixture::{Upstream, post, raw, root, temp_dir};

/// Sends requests with these methods, one after another, to a component that forwards them to `upstream`. Returns the
/// cassette of these calls.
async fn recorded(app: HarnessBuilder, upstream: &Upstream, methods: &[&str]) -> String {
    let cassette = temp_dir().join("whole.toml");
    let outbound = Outbound::record(&cassette, Outbound::allow([upstream.url.parse().unwrap()])).unwrap();
    let app = app.outbound(outbound).await.unwrap();
    for method in methods {
        let body = if ["POST", "PUT"].contains(method) { Body::from("hello") } else { Body::empty() };
        let response = app.request(Request::builder().method(*method).uri("/").body(body).unwrap()).await;
        assert_eq!(response.status(), 200, "{method}");
        response.into_body().bytes().await.unwrap();
        app.idle().await;
    }
    std::fs::read_to_string(cassette).unwrap()
}

#[tokio::test]
async fn a_body_that_was_sent_whole_is_recorded_whole() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let proxy = || Harness::build(root().join("examples/proxy")).env("UPSTREAM", &upstream.url);
    let authority = upstream.url.trim_start_matches("http://");
    for (app, methods) in [
        (proxy(), &["GET", "HEAD", "POST", "PUT", "DELETE"][..]),
        (proxy().features(["wayside/wasip3"]), &["GET", "HEAD", "POST", "PUT", "DELETE"]),
        (raw("proxy").env("UPSTREAM", authority), &["GET", "POST", "PUT", "DELETE"]),
    ] {
        let cassette = recorded(app, &upstream, methods).await;
        assert_eq!(cassette.matches("[[call]]").count(), methods.len(), "{cassette}");
        assert!(!cassette.contains("missing"), "{cassette}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_took_is_recorded_as_unread() {
    let cassette = temp_dir().join("unread.toml");
    let inner = Outbound::from_fn(async |_| Ok(Response::new(Body::empty())));
    let app = raw("proxy").env("UPSTREAM", "upstream.test").outbound(Outbound::record(&cassette, inner).unwrap());
    let app = app.await.unwrap();
    app.request(post("/", "hello")).await.into_body().bytes().await.unwrap();
    app.idle().await;
    assert!(std::fs::read_to_string(cassette).unwrap().contains("missing = \"unread\""));
}
