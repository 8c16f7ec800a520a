//! The executor of a component with busy futures, and with wakers and executors of other crates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::channel::Channel;
use wayside_harness::bytes::Bytes;
use wayside_harness::http::Response;
use wayside_harness::{Body, Harness, Outbound};

use super::fixture::{eventually, get, guests, is_wasip3, post, text_of};

async fn text(app: &Harness, path: &str) -> String {
    let (status, text) = text_of(app, get(path)).await;
    assert_eq!(status, 200, "{path}: {text}\n{}", app.log_text());
    text
}

#[tokio::test]
async fn a_busy_task_leaves_timers_their_turn() {
    let app = guests().await.unwrap();
    assert_eq!(text(&app, "/busy/timer").await, "stopped");
}

#[tokio::test]
async fn a_busy_handler_leaves_timers_their_turn() {
    let app = guests().await.unwrap();
    assert_eq!(text(&app, "/busy/root").await, "the sleep came first");
}

#[tokio::test]
async fn a_busy_task_leaves_the_body_of_the_request_its_turn() {
    let app = Arc::new(guests().await.unwrap());
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    let answer = tokio::spawn({
        let app = Arc::clone(&app);
        async move { text_of(&app, post("/busy/body", Body::new(body))).await }
    });
    eventually("the task runs", || app.log_text().contains("busy")).await;
    for piece in ["first ", "second"] {
        sender.send_data(piece.into()).await.unwrap();
    }
    drop(sender);
    assert_eq!(answer.await.unwrap(), (200, "first second, stopped".to_owned()));
}

#[tokio::test]
async fn a_busy_task_leaves_outbound_calls_their_turn() {
    let open = Arc::new(AtomicBool::new(false));
    let upstream = Outbound::from_fn({
        let open = Arc::clone(&open);
        move |_| {
            let open = Arc::clone(&open);
            async move {
                eventually("the task runs", || open.load(Ordering::Relaxed)).await;
                Ok(Response::new(Body::from("from upstream")))
            }
        }
    });
    let app = Arc::new(guests().env("UPSTREAM", "http://upstream.test").outbound(upstream).await.unwrap());
    let answer = tokio::spawn({
        let app = Arc::clone(&app);
        async move { text(&app, "/busy/call").await }
    });
    eventually("the task runs", || app.log_text().contains("busy")).await;
    open.store(true, Ordering::Relaxed);
    assert_eq!(answer.await.unwrap(), "from upstream, stopped");
}

#[tokio::test]
async fn a_busy_task_leaves_a_body_that_streams_its_turn() {
    let app = guests().await.unwrap();
    assert_eq!(text(&app, "/busy/ticks").await, "tick tick tick ");
    app.idle().await;
    assert_eq!(app.log_text(), "busy\n");
}

#[tokio::test]
async fn a_busy_task_leaves_a_body_of_bytes_its_turn() {
    let app = guests().await.unwrap();
    assert_eq!(text(&app, "/busy/bytes").await.len(), 4 * 1024 * 1024);
    app.idle().await;
    assert_eq!(app.log_text(), "busy\n");
}

#[tokio::test]
async fn a_busy_task_leaves_the_work_after_the_response_its_turn() {
    let app = guests().await.unwrap();
    assert_eq!(text(&app, "/busy/after").await, "answered");
    app.idle().await;
    assert_eq!(app.log_text(), "busy\nthe sleep came first\n");
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

/// In WASI 0.2 an instance handles one request at a time, so the second request gets a second instance.
#[tokio::test]
async fn a_busy_request_leaves_others_of_its_instance_their_turn() {
    let app = Arc::new(guests().reuse(u32::MAX).at_once(8).await.unwrap());
    let busy = tokio::spawn({
        let app = Arc::clone(&app);
        async move { text_of(&app, get("/busy/until")).await }
    });
    eventually("the task runs", || app.log_text().contains("busy")).await;
    let (status, text) = text_of(&app, get("/sleep")).await;
    assert_eq!((status, text.len()), (200, "quick slow ".len()), "{text}");
    assert!(!app.log_text().contains("gave up"), "{}", app.log_text());
    assert_eq!(app.instances(), if is_wasip3() { 1 } else { 2 });
    assert_eq!(busy.await.unwrap().0, 200);
}

#[tokio::test]
async fn an_executor_that_blocks_the_thread_is_500_and_says_what_to_use() {
    let silent = Outbound::from_fn(async |_| std::future::pending().await);
    let app = guests().env("UPSTREAM", "http://upstream.test").outbound(silent).await.unwrap();
    for name in ["futures", "pollster", "call", "task", "joined", "collected", "late", "spawned"] {
        let before = app.log_text().len();
        let status = app.request(get(&format!("/blocking/{name}"))).await.status();
        app.idle().await;
        let log = app.log_text()[before..].to_owned();
        assert!(
            status == 500 && log.contains("keeps the only thread from what it waits for; use `.await`"),
            "{name}: {status} {log}"
        );
    }
    let (sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    assert_eq!(app.request(post("/blocking/body", Body::new(body))).await.status(), 500);
    drop(sender);
}

#[tokio::test]
async fn wakers_of_other_crates_that_lead_to_the_executor_go_on() {
    let app = guests().await.unwrap();
    for name in ["unordered", "once", "gives-way"] {
        assert_eq!(text(&app, &format!("/blocking/{name}")).await, format!("{name} is done"));
    }
}

#[tokio::test]
async fn a_waker_may_poll_what_it_wakes_at_once() {
    let app = guests().await.unwrap();
    for name in ["channel", "task", "timer"] {
        assert_eq!(text(&app, &format!("/inline-waker/{name}")).await, "polled to its end: true", "{name}");
    }
}

#[tokio::test]
async fn a_waker_may_own_the_body_that_it_wakes() {
    let app = guests().await.unwrap();
    assert_eq!(text(&app, "/inline-waker/owned").await, "the waker went with its body");
}
