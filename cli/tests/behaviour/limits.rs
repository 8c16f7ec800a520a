//! Limits for a request: time, memory, body length, concurrency.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::{Notify, Semaphore};
use wayside_harness::http::{Response, StatusCode};
use wayside_harness::{Limits, Outbound};

use super::fixture::{Wire, eventually, example, get, guests, post};

#[tokio::test]
async fn a_body_of_the_longest_length_passes_and_a_longer_one_is_413() {
    let app = guests().limits(Limits::default().body_bytes(5)).await.unwrap();
    assert_eq!(app.request(post("/whole", "12345")).await.status(), StatusCode::OK);
    let response = app.request(post("/whole", "123456")).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(app.instances(), 1, "a declared length is refused before there is an instance");
}

#[tokio::test]
async fn a_body_that_does_not_say_its_length_is_413_when_it_gets_too_long() {
    let app = guests().limits(Limits::default().body_bytes(5)).await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let head = "POST /whole HTTP/1.1\r\nhost: test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let allowed = Wire::exchange(&server, &format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).await;
    assert_eq!(allowed.status, 200);
    let refused = Wire::exchange(&server, &format!("{head}3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")).await;
    assert_eq!(refused.status, 413);
    assert_eq!(app.instances(), 2);
}

#[tokio::test]
async fn a_body_that_gets_too_long_after_the_head_cuts_its_echo() {
    let app = guests().limits(Limits::default().body_bytes(5)).await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 4, "abcd");
    let head = "POST /back HTTP/1.1\r\nhost: test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let wire = Wire::exchange(&server, &format!("{head}{chunk}{chunk}0\r\n\r\n")).await;
    // The body may exceed the limit before or after the head of the response is sent.
    if wire.status != 413 {
        assert!(wire.cut_text().len() <= 5, "{wire:?}");
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_those_that_run() {
    let (calls, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let let_go = Arc::new(Semaphore::new(0));
    let upstream = Outbound::from_fn({
        let (calls, most, let_go) = (Arc::clone(&calls), Arc::clone(&most), Arc::clone(&let_go));
        move |_| {
            let (calls, most, let_go) = (Arc::clone(&calls), Arc::clone(&most), Arc::clone(&let_go));
            async move {
                most.fetch_max(calls.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let_go.acquire().await.unwrap().forget();
                calls.fetch_sub(1, Ordering::SeqCst);
                Ok(Response::new("from upstream".into()))
            }
        }
    });
    let limits = Limits::default().concurrency(2);
    let app = example("proxy").env("UPSTREAM", "http://up.test").outbound(upstream).limits(limits).await.unwrap();
    let requests = join_all((0..6).map(|_| async { app.request(get("/")).await.into_body().text().await.unwrap() }));
    let release = async {
        eventually("two requests run", || calls.load(Ordering::SeqCst) == 2).await;
        let_go.add_permits(6);
    };
    let (answers, ()) = tokio::join!(requests, release);
    assert_eq!(answers, ["from upstream"; 6]);
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_for_which_there_is_no_room_to_wait_is_503() {
    let reached = Arc::new(Notify::new());
    let upstream = Outbound::from_fn({
        let reached = Arc::clone(&reached);
        move |_| {
            let reached = Arc::clone(&reached);
            async move {
                reached.notify_one();
                std::future::pending().await
            }
        }
    });
    let limits = Limits::default().concurrency(1);
    let app = example("proxy").env("UPSTREAM", "http://up.test").outbound(upstream).limits(limits).await.unwrap();
    let app = Arc::new(app);
    let send = |app: &Arc<wayside_harness::Harness>| {
        let app = Arc::clone(app);
        tokio::spawn(async move { app.request(get("/")).await.status() })
    };
    let _running = send(&app);
    reached.notified().await;
    let waiting: Vec<_> = (0..1024).map(|_| send(&app)).collect();
    eventually("all of them wait", || app.requests() == 1025).await;
    let response = app.request(get("/")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    for task in waiting {
        task.abort();
    }
}
