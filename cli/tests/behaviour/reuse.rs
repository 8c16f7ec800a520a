//! One instance for many requests: no request sees the effects of another.

use std::sync::Arc;

use tokio::sync::Notify;
use wayside_harness::http::{Request, Response};
use wayside_harness::{Body, Outbound};

use super::fixture::{Upstream, assert_slept, example, get, guests, is_wasip3, post, read_head};

#[tokio::test]
async fn memory_stays_flat_over_many_requests() {
    let app = example("headers").reuse(u32::MAX).await.unwrap();
    let mut warm = 0;
    for number in 0..100_000 {
        // Sends heads of all sizes. Some fit into the component's block of memory for heads, others do not; some values
        // are empty.
        let mut request = Request::get(format!("/{number}")).header("x-number", "v".repeat(number % 700));
        for name in 0..number % 50 {
            request = request.header(format!("x-{name}"), if name % 2 == 0 { "" } else { "a value of some length" });
        }
        let response = app.request(request.body(()).unwrap()).await;
        assert_eq!(response.status(), 200);
        response.into_body().bytes().await.unwrap();
        app.idle().await;
        if number == 700 {
            warm = app.usage().last().unwrap().memory_bytes;
        }
    }
    assert_eq!(app.usage().last().unwrap().memory_bytes, warm);
}

/// After each of these requests, the same instance answers the next one.
#[tokio::test]
async fn an_instance_lives_on_after_what_peers_do() {
    let app = guests().env("UPSTREAM", "http://127.0.0.1:1").reuse(u32::MAX).await.unwrap();
    // The client disconnects in the middle of a response.
    let body = app.request(get("/endless")).await.into_body();
    drop(body);
    app.idle().await;
    // A request body breaks off, a call is denied, a response is cut.
    let broken = futures_util::stream::iter([Ok(wayside_harness::http_body::Frame::data("x".into())), Err("gone")]);
    let broken = wayside_harness::Body::new(http_body_util::StreamBody::new(broken));
    assert_eq!(app.request(post("/whole", broken)).await.status(), 400);
    for path in ["/call", "/body-fails", "/length/11?stream", "/fields/200x1000", "/status/101", "/error"] {
        let _ = app.request(get(path)).await.into_body().bytes().await;
        app.idle().await;
    }
    let response = app.request(get("/sleep")).await;
    assert_slept(&response.into_body().text().await.unwrap());
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    assert_eq!(app.instances(), 1);
}

#[tokio::test]
async fn an_instance_lives_on_after_what_upstreams_do() {
    let upstreams = [
        Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await,
        Upstream::answering("nonsense\r\n\r\n").await,
        Upstream::with(async |mut stream| drop(read_head(&mut stream).await)).await,
    ];
    let urls: Vec<String> = upstreams.iter().map(|upstream| upstream.url.clone()).collect();
    let rules: Vec<_> = urls.iter().map(|url| url.parse().unwrap()).collect();
    let app = example("proxy").outbound(wayside_harness::Outbound::allow(rules)).reuse(u32::MAX);
    let app = app.env("UPSTREAM", &urls[0]).await.unwrap();
    for _ in 0..20 {
        let _ = app.request(post("/", "hello")).await.into_body().bytes().await;
        app.idle().await;
    }
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    assert_eq!(app.instances(), 1);
}

#[tokio::test]
async fn an_instance_that_trapped_is_replaced() {
    let app = guests().reuse(u32::MAX).await.unwrap();
    for (path, instances) in
        [("/sleep", 1), ("/sleep", 1), ("/trap", 1), ("/sleep", 2), ("/panic-before-head/x", 2), ("/sleep", 3)]
    {
        let _ = app.request(get(path)).await.into_body().bytes().await;
        app.idle().await;
        assert_eq!(app.instances(), instances, "{path}");
    }
}

#[tokio::test]
async fn an_instance_is_replaced_after_its_share_of_requests() {
    let app = guests().reuse(3).await.unwrap();
    for number in 0..9 {
        app.request(get("/status/200")).await.into_body().bytes().await.unwrap();
        app.idle().await;
        assert_eq!(app.instances(), number / 3 + 1);
    }
}

#[tokio::test]
async fn a_call_that_several_requests_wait_for_answers_those_that_still_do() {
    if !is_wasip3() {
        // An instance of WASI 0.2 handles one request at a time, so its requests cannot share a call.
        return;
    }
    let open = Arc::new(Notify::new());
    let gate = Arc::clone(&open);
    let upstream = Outbound::from_fn(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Ok(Response::new(Body::from("shared")))
        }
    });
    let app = guests().env("UPSTREAM", "http://upstream.test").outbound(upstream).reuse(u32::MAX).at_once(4);
    let app = app.await.unwrap();
    let text = async |path| app.request(get(path)).await.into_body().text().await.unwrap();
    let (patient, impatient) = tokio::join!(text("/shared-call"), async {
        let answer = text("/shared-call/impatient").await;
        open.notify_one();
        answer
    });
    assert_eq!((patient.as_str(), impatient.as_str()), ("shared", "too late"));
    assert_eq!(app.instances(), 1);
}
