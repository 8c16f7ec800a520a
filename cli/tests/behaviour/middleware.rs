//! Middleware in front of an application: both directions, streams, trailers, hang-ups and failures.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use wayside_harness::bytes::Bytes;
use wayside_harness::http::{HeaderMap, Request};
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, Component, Event, Harness, HarnessBuilder, Limits, World, cargo};

use super::fixture::{eventually, example, get, guests, post, root};
use super::wasip3::{Gate, service};

/// Middleware whose behaviour the request header `x-middleware` selects. Without this header it passes everything on.
fn middleware() -> PathBuf {
    root().join("host-harness/tests/raw-middleware")
}

/// A service that imports a type from the interface `wasi:http/handler`, but no function.
fn handler_types() -> PathBuf {
    root().join("host-harness/tests/raw-handler-types")
}

async fn behind_middleware(app: HarnessBuilder) -> Harness {
    app.middleware(middleware()).await.unwrap()
}

fn asking(behaviour: &str, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("x-middleware", behaviour.parse().unwrap());
    request
}

/// Returns the names of the components that trapped.
fn trapped(app: &Harness) -> Vec<String> {
    app.traps().into_iter().map(|trap| trap.component).collect()
}

#[tokio::test]
async fn an_application_of_either_version_stands_behind_middleware() {
    for (app, path, text) in
        [(example("hello"), "/", "Hello from Wayside!\n"), (service(), "/hello", "Hello from WASI 0.3!\n")]
    {
        let app = behind_middleware(app).await;
        for behaviour in ["pass", "copy", "twice"] {
            let response = app.request(asking(behaviour, get(path))).await;
            assert_eq!(response.status(), 200);
            assert_eq!(response.into_body().text().await.unwrap(), text, "{behaviour}");
        }
        app.idle().await;
        assert!(app.traps().is_empty(), "{:?}", app.traps());
    }
}

#[tokio::test]
async fn bodies_and_trailers_pass_both_ways_through_a_chain() {
    for path in ["/echo", "/copy"] {
        let app = service().middleware(middleware()).middleware(middleware()).await.unwrap();
        for behaviour in ["pass", "copy"] {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-digest", "abc".parse().unwrap());
            let frames = [
                Frame::data(Bytes::from(vec![b'x'; 100_000])),
                Frame::data(Bytes::from(vec![b'y'; 200_000])),
                Frame::trailers(trailers.clone()),
            ];
            let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, std::io::Error>)));
            let response = app.request(asking(behaviour, post(path, Body::new(body)))).await;
            let (bytes, echoed) = response.into_body().bytes_and_trailers().await.unwrap();
            assert_eq!(bytes.len(), 300_000, "{behaviour} {path}");
            assert!(
                bytes[..100_000].iter().all(|byte| *byte == b'x') && bytes[100_000..].iter().all(|byte| *byte == b'y')
            );
            assert_eq!(echoed, Some(trailers), "{behaviour} {path}");
        }
        app.idle().await;
        assert!(app.traps().is_empty(), "{:?}", app.traps());
    }
}

/// What the test has written of the request and not yet read of the response is what all components buffer together.
#[tokio::test]
async fn a_chain_of_four_holds_little_of_what_streams_through() {
    const TOTAL: usize = 256 * 1024 * 1024;
    const CHUNK: usize = 64 * 1024;

    for (behaviour, path) in [("pass", "/echo"), ("copy", "/copy")] {
        let app = service().middleware(middleware()).middleware(middleware()).middleware(middleware()).await.unwrap();
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let chunk = Bytes::from(vec![b'x'; CHUNK]);
        let chunks = futures_util::stream::iter(0..TOTAL / CHUNK).map(move |_| {
            count.fetch_add(CHUNK, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Frame::data(chunk.clone()))
        });
        let body = Body::new(StreamBody::new(chunks));
        let mut body = app.request(asking(behaviour, post(path, body))).await.into_body();
        let (mut read, mut most) = (0, 0);
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().into_data().unwrap().len();
            most = most.max(written.load(Ordering::Relaxed) - read);
        }
        assert_eq!(read, TOTAL, "{behaviour} {path}");
        assert!(most <= 4 * 1024 * 1024, "{behaviour} {path}: {most} bytes were held at once");
        app.idle().await;
        let memory = app.memory();
        assert!(memory <= 2 * 1024 * 1024, "{behaviour} {path}: an instance had {memory} bytes");
    }
}

#[tokio::test]
async fn a_chain_works_on_one_request() {
    let app = behind_middleware(service()).await;
    let mut events = app.events();
    for _ in 0..2 {
        assert_eq!(app.request(get("/hello")).await.into_body().bytes().await.unwrap(), "Hello from WASI 0.3!\n");
        app.idle().await;
    }
    assert_eq!((app.requests(), app.instances()), (2, 4));
    let numbers: Vec<_> = app.usage().into_iter().map(|usage| usage.request).collect();
    assert_eq!(numbers, [1, 1, 2, 2]);
    let mut finished = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::Finished(exchange) = event {
            finished.push(exchange.usage.unwrap().memory_bytes);
        }
    }
    let memory: Vec<_> = app.usage().iter().map(|usage| usage.memory_bytes).collect();
    assert_eq!(finished, [memory[0] + memory[1], memory[2] + memory[3]]);
}

#[tokio::test]
async fn fuel_is_that_of_a_chain_and_memory_that_of_its_largest_instance() {
    let alone = service().count_fuel().await.unwrap();
    assert_eq!((alone.fuel(), alone.memory()), (None, 0));
    let chain = behind_middleware(service().count_fuel()).await;
    for app in [&alone, &chain] {
        for path in ["/hello", "/hello"] {
            app.request(get(path)).await.into_body().bytes().await.unwrap();
            app.idle().await;
        }
    }
    let usage = chain.usage();
    assert_eq!(usage.len(), 4);
    assert_eq!(chain.fuel(), Some(usage[2].fuel.unwrap() + usage[3].fuel.unwrap()));
    assert!(chain.fuel() > alone.fuel() && alone.fuel() > Some(0), "{usage:?}");
    assert_eq!(Some(chain.memory()), usage.iter().map(|usage| usage.memory_bytes).max());
    let uncounted = behind_middleware(service()).await;
    uncounted.request(get("/hello")).await.into_body().bytes().await.unwrap();
    uncounted.idle().await;
    assert!(uncounted.fuel().is_none() && uncounted.memory() > 0);
}

#[tokio::test]
async fn middleware_may_answer_itself() {
    let app = behind_middleware(service()).await;
    let response = app.request(asking("stop", get("/hello"))).await;
    assert_eq!(response.status(), 403);
    assert_eq!(response.into_body().bytes().await.unwrap(), "");
    assert_eq!(app.instances(), 1);
}

#[tokio::test]
async fn a_trap_in_middleware_is_500_and_names_it() {
    for behaviour in ["panic", "panic-after"] {
        let app = behind_middleware(service()).await;
        assert_eq!(app.request(asking(behaviour, get("/hello"))).await.status(), 500);
        app.idle().await;
        assert_eq!(trapped(&app), ["raw_middleware"]);
    }
}

#[tokio::test]
async fn a_trap_in_the_application_is_500_to_its_middleware() {
    for behaviour in ["pass", "copy"] {
        let app = behind_middleware(service()).await;
        assert_eq!(app.request(asking(behaviour, get("/panic"))).await.status(), 500);
        app.idle().await;
        assert_eq!(trapped(&app), ["raw_service"]);
    }
}

#[tokio::test]
async fn an_error_code_of_the_application_reaches_its_middleware_as_one() {
    let app = behind_middleware(service()).await;
    // The middleware returns the error code, and the harness turns it into a 500.
    assert_eq!(app.request(asking("copy", get("/code"))).await.status(), 500);
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_off_behind_middleware_too() {
    for behaviour in ["pass", "copy"] {
        let app = behind_middleware(service()).await;
        let response = app.request(asking(behaviour, get("/panic-after-head"))).await;
        assert_eq!(response.status(), 200);
        assert!(response.into_body().bytes().await.is_err(), "{behaviour}: a cut body passes for whole");
    }
}

#[tokio::test]
async fn a_request_body_that_middleware_does_not_finish_is_no_whole_one() {
    let app = behind_middleware(guests()).await;
    let response = app.request(asking("panic-in-body", post("/whole", "anything"))).await;
    let _ = response.into_body().bytes().await;
    app.idle().await;
    assert!(app.log_text().contains("the body broke off"), "{}", app.log_text());
}

#[tokio::test]
async fn a_hang_up_reaches_the_application() {
    for behaviour in ["pass", "copy"] {
        let app = behind_middleware(service()).await;
        let mut body = app.request(asking(behaviour, get("/endless"))).await.into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        eventually("the application is told", || app.log_text().contains("the writer was told")).await;
        app.idle().await;
        assert!(app.traps().is_empty(), "{:?}", app.traps());
    }
}

#[tokio::test]
async fn a_hang_up_before_the_head_reaches_the_application() {
    let gate = Gate::default();
    let app = Arc::new(behind_middleware(service().outbound(gate.outbound())).await);
    let request = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.request(get("/call/never")).await }
    });
    gate.holds(1).await;
    request.abort();
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_hang_up_reaches_an_application_of_the_other_version() {
    let app = behind_middleware(guests()).await;
    let mut body = app.request(asking("copy", get("/endless"))).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    eventually("the application is told", || app.log_text().contains("writer stopped: closed=true")).await;
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn who_takes_too_long_is_named_and_not_who_waits_for_it() {
    for (app, path, name) in
        [(service(), "/spin", "raw_service"), (service(), "/call/never", "raw_service"), (guests(), "/spin", "guests")]
    {
        let app =
            app.outbound(Gate::default().outbound()).limits(Limits::default().timeout(Duration::from_millis(100)));
        let app = app.middleware(middleware()).middleware(middleware()).await.unwrap();
        assert_eq!(app.request(get(path)).await.status(), 504, "{name} {path}");
        app.idle().await;
        assert_eq!(trapped(&app), [name], "{path}");
    }
}

/// The middleware calls the next handler twice for each request. One call ends while the other one still waits.
#[tokio::test]
async fn a_chain_works_on_both_calls_of_one_request_in_the_same_instances() {
    let twice = root().join("host-harness/tests/middleware-twice");
    let gate = Gate::default();
    let app = service().middleware(twice).middleware(root().join("examples/log")).outbound(gate.outbound());
    let app = app.reuse(100).at_once(4).await.unwrap();
    for number in 1..=5 {
        let ended = || app.log_text().matches("one of two").count();
        let (response, ()) = tokio::join!(app.request(get("/call")), async {
            gate.holds(2).await;
            gate.open_one();
            eventually("the first call ends", || ended() == number * 2 - 1).await;
            gate.open_one();
        });
        assert_eq!(response.status(), 200);
        assert_eq!(response.into_body().text().await.unwrap(), "/call/call");
        app.idle().await;
    }
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_chain_that_shares_its_instances_keeps_requests_apart() {
    let app = service().middleware(middleware()).middleware(middleware()).reuse(50).at_once(8);
    let app = Arc::new(app.await.unwrap());
    let requests = (0..400_usize).map(|number| {
        let app = Arc::clone(&app);
        async move {
            let (behaviour, path) = [("pass", "/copy"), ("copy", "/echo"), ("copy", "/copy")][number % 3];
            let text = format!("{number} ").repeat(number * 7);
            let response = app.request(asking(behaviour, post(path, text.clone()))).await;
            assert!(response.into_body().text().await.unwrap() == text, "request {number} had the answer of another");
        }
    });
    futures_util::stream::iter(requests).buffer_unordered(16).for_each(async |()| {}).await;
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    // An instance takes 50 requests, so each of the three components needs at least 8 instances for 400 requests.
    // Without reuse, there would be 1200.
    assert!((24..200).contains(&app.instances()), "{}", app.instances());
}

#[tokio::test]
async fn what_is_no_middleware_is_refused_with_the_reason() {
    let dir = |name: &str| root().join("host-harness/tests").join(name);
    for (target, reason, help) in [
        (dir("raw-service"), "answers all requests itself", "name it as the target"),
        (dir("raw-hello"), "a handler of WASI 0.2.6", "build the middleware for WASI 0.3"),
    ] {
        let error = service().middleware(target).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.help().unwrap().contains(help), "{:?}", error.help());
    }
    let error = Harness::build(middleware()).await.unwrap_err();
    assert!(error.to_string().contains("is middleware: it needs a handler to call"), "{error}");
    assert!(error.help().unwrap().contains("--middleware "), "{:?}", error.help());
}

/// An import of types alone needs no function of the host, so it makes no middleware.
#[tokio::test]
async fn a_service_that_imports_types_of_the_handler_interface_is_no_middleware() {
    let path = cargo::build_once(&handler_types(), &[], cargo::Progress::Hidden).await.unwrap();
    let description = Component::load(path).unwrap().description().clone();
    assert!(description.imports.iter().any(|import| import.name == "wasi:http/handler@0.3.0"), "{description:?}");
    assert_eq!(description.world, World::Handler { version: "0.3.0".to_owned() });
}

#[tokio::test]
async fn a_service_that_imports_types_of_the_handler_interface_answers_alone_and_behind_middleware() {
    let alone = Harness::build(handler_types()).await.unwrap();
    assert_eq!(alone.request(get("/")).await.status(), 204);
    let behind = behind_middleware(Harness::build(handler_types())).await;
    assert_eq!(behind.request(get("/")).await.status(), 204);
    assert_eq!(behind.instances(), 2);
    assert!(alone.traps().is_empty() && behind.traps().is_empty());
}

#[tokio::test]
async fn a_service_that_imports_types_of_the_handler_interface_is_refused_as_middleware() {
    let error = service().middleware(handler_types()).await.unwrap_err();
    assert!(error.to_string().contains("is no middleware: it answers all requests itself"), "{error}");
}

#[tokio::test]
async fn middleware_is_told_from_a_service() {
    let path = cargo::build_once(&middleware(), &[], cargo::Progress::Hidden).await.unwrap();
    let component = Component::load(path).unwrap();
    assert_eq!(component.description().world, World::Middleware { version: "0.3.0".to_owned() });
    assert!(component.description().imports.iter().all(|import| import.provided), "{:?}", component.description());
}
