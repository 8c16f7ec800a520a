//! The example middleware in front of applications that are built for either version of WASI.

use std::path::PathBuf;

use http_body_util::{BodyExt as _, StreamBody};
use wayside_harness::bytes::Bytes;
use wayside_harness::http::{HeaderMap, Request};
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, Harness, HarnessBuilder};

use super::fixture::{eventually, example, get, guests, post, root};

/// Middleware is built for WASI 0.3, whatever version of WASI the application is built for.
fn middleware(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

async fn text_of(app: &Harness, request: Request<Body>) -> (u16, String) {
    let response = app.request(request).await;
    (response.status().as_u16(), response.into_body().text().await.unwrap())
}

fn with_token(mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("authorization", "Bearer secret".parse().unwrap());
    request
}

/// A chain of four: three middleware components and the application.
fn chain(app: HarnessBuilder) -> HarnessBuilder {
    let app = app.middleware(middleware("log")).middleware(middleware("auth")).middleware(middleware("rewrite"));
    app.env("TOKEN", "secret")
}

#[tokio::test]
async fn auth_lets_only_the_token_pass() {
    let app = example("hello").middleware(middleware("auth")).env("TOKEN", "secret").await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (401, "who are you?\n".to_owned()));
    assert_eq!(text_of(&app, with_token(get("/"))).await, (200, "Hello from Wayside!\n".to_owned()));
}

#[tokio::test]
async fn log_writes_a_line_and_passes_the_rest() {
    let app = guests().middleware(middleware("log")).await.unwrap();
    assert_eq!(text_of(&app, get("/status/404")).await, (404, "a body".to_owned()));
    app.idle().await;
    assert!(app.log_text().contains("GET /status/404: 404 after "), "{}", app.log_text());
}

#[tokio::test]
async fn rewrite_changes_path_fields_and_bodies() {
    let app = example("echo").middleware(middleware("rewrite")).await.unwrap();
    let response = app.request(post("/loud/echo", "caf\u{e9}")).await;
    assert_eq!(response.headers()["x-rewritten"], "yes");
    assert_eq!(response.into_body().text().await.unwrap(), r"CAF\XC3\XA9");
    let app = example("headers").middleware(middleware("rewrite")).await.unwrap();
    let (_, text) = text_of(&app, get("/loud/a?b")).await;
    assert!(text.starts_with("GET HTTP://LOCALHOST/A?B\n"), "{text}");
}

#[tokio::test]
async fn cache_answers_what_it_has_seen() {
    let app = example("hello").middleware(middleware("cache")).reuse(u32::MAX).await.unwrap();
    for number in 0..3 {
        let response = app.request(get("/")).await;
        assert_eq!(response.headers().contains_key("x-cache"), number > 0, "{number}");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(response.into_body().text().await.unwrap(), "Hello from Wayside!\n");
        app.idle().await;
    }
}

/// Returns which of these requests the example `cache` answers itself. Each request has a host and headers. The
/// application responds with the header in `x-answer`.
async fn cached(requests: &[(&str, &[(&str, &str)])]) -> Vec<bool> {
    let app = guests().middleware(middleware("cache")).reuse(u32::MAX).await.unwrap();
    let mut cached = Vec::new();
    for (host, headers) in requests {
        let mut request = Request::get(format!("http://{host}/as-asked"));
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let response = app.request(request.body(Body::empty()).unwrap()).await;
        let is_cached = response.headers().contains_key("x-cache");
        assert_eq!(response.headers().contains_key("age"), is_cached);
        cached.push(is_cached);
        response.into_body().bytes().await.unwrap();
        app.idle().await;
    }
    cached
}

#[tokio::test]
async fn cache_keeps_hosts_apart() {
    let requests = [("a.test", &[][..]), ("b.test", &[]), ("a.test", &[]), ("A.test:80", &[]), ("a.test:81", &[])];
    assert_eq!(cached(&requests).await, [false, false, true, true, false]);
}

#[tokio::test]
async fn cache_keeps_nothing_that_is_for_one_client() {
    for header in ["cache-control: private, max-age=60", "cache-control: no-store", "set-cookie: a=1", "vary: *"] {
        let headers = [("x-answer", header)];
        assert_eq!(cached(&[("a.test", &headers), ("a.test", &headers)]).await, [false, false], "{header:?}");
    }
    let authorized = [("authorization", "Bearer a"), ("x-answer", "cache-control: max-age=60")];
    assert_eq!(cached(&[("a.test", &authorized), ("a.test", &authorized)]).await, [false, false]);
}

#[tokio::test]
async fn cache_tells_answers_apart_by_what_they_vary_by() {
    let german: &[_] = &[("x-answer", "vary: accept-language"), ("accept-language", "de")];
    let english: &[_] = &[("x-answer", "vary: accept-language"), ("accept-language", "en")];
    let requests = [("a.test", german), ("a.test", english), ("a.test", german), ("a.test", english)];
    assert_eq!(cached(&requests).await, [false, false, true, true]);
}

#[tokio::test]
async fn a_chain_keeps_bytes_and_trailers_both_ways() {
    let app = chain(example("echo")).await.unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-digest", "abc".parse().unwrap());
    let frames = [
        Frame::data(Bytes::from(vec![b'x'; 100_000])),
        Frame::data(Bytes::from(vec![b'y'; 200_000])),
        Frame::trailers(trailers.clone()),
    ];
    let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, std::io::Error>)));
    let response = app.request(with_token(post("/", Body::new(body)))).await;
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&trailers));
    assert_eq!(body.to_bytes(), [vec![b'X'; 100_000], vec![b'Y'; 200_000]].concat());
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_gibibyte_streams_through_a_chain_in_little_memory() {
    const PIECES: usize = 16 * 1024;
    let app = chain(example("echo")).await.unwrap();
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces =
        futures_util::stream::iter((0..PIECES).map(move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone()))));
    let response = app.request(with_token(post("/", Body::new(StreamBody::new(pieces))))).await;
    let mut body = response.into_body();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        received += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(received, PIECES * 64 * 1024);
    app.idle().await;
    for usage in app.usage() {
        assert!(usage.memory_bytes < 8 * 1024 * 1024, "{usage:?}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_told_to_the_application_behind_a_chain() {
    let app = chain(guests()).await.unwrap();
    let mut body = app.request(with_token(get("/endless"))).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    eventually("the application ends", || app.log_text().contains("writer stopped: closed=true")).await;
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_body_that_the_application_cuts_is_cut_behind_a_chain() {
    let app = chain(guests()).await.unwrap();
    for path in ["/body-fails", "/panic-after-head"] {
        let response = app.request(with_token(get(path))).await;
        assert_eq!(response.status(), 200);
        assert!(response.into_body().bytes().await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn an_application_that_gives_no_response_is_a_500_of_the_middleware() {
    let app = chain(guests()).await.unwrap();
    assert_eq!(app.request(with_token(get("/trap"))).await.status(), 500);
}
