//! Tower services as handlers, shared by all requests of an instance.

use std::sync::Arc;

use wayside_harness::http::{Response, StatusCode};
use wayside_harness::{Body, Harness, Outbound};

use super::FEATURES;
use super::fixture::{get, is_wasip3, root, text_of};
use crate::wasip3::Gate;

/// A service that handles one request at a time and keeps one waker.
async fn one_at_a_time(upstream: Outbound) -> Arc<Harness> {
    let dir = root().join("host-harness/tests/one-at-a-time");
    let app = Harness::build(dir).features(FEATURES.iter().copied()).env("UPSTREAM", "http://upstream.test");
    Arc::new(app.outbound(upstream).reuse(100).at_once(8).await.unwrap())
}

fn answering() -> Outbound {
    Outbound::from_fn(async |_| {
        tokio::task::yield_now().await;
        Ok(Response::new(Body::from("from upstream")))
    })
}

/// Sends requests concurrently, and returns their statuses.
async fn at_once(app: &Arc<Harness>, paths: &[&'static str]) -> Vec<StatusCode> {
    let requests = paths.iter().map(|path| {
        let (app, path) = (Arc::clone(app), *path);
        tokio::spawn(async move { app.request(get(path)).await.status() })
    });
    futures_util::future::join_all(requests).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_service_that_keeps_one_waker_answers_all_requests_of_its_instance() {
    let app = one_at_a_time(answering()).await;
    assert_eq!(at_once(&app, &["/"; 5]).await, [StatusCode::OK; 5]);
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    assert_eq!(app.instances(), if is_wasip3() { 1 } else { 5 });
}

/// In WASI 0.2 an instance handles one request at a time, so no request waits in the component.
#[tokio::test]
async fn a_client_that_leaves_the_line_of_a_service_leaves_the_others_their_turn() {
    if !is_wasip3() {
        return;
    }
    let gate = Gate::default();
    let app = one_at_a_time(gate.outbound()).await;
    let send = || {
        let app = Arc::clone(&app);
        tokio::spawn(async move { text_of(&app, get("/")).await })
    };
    let served = send();
    gate.holds(1).await;
    let [asking, left, last] = [send(), send(), send()];
    left.abort();
    let answers = futures_util::future::join_all([served, asking, last]);
    let open = async {
        loop {
            gate.holds(1).await;
            gate.open_one();
            tokio::task::yield_now().await;
        }
    };
    let answers = tokio::select! {
        answers = answers => answers,
        () = open => unreachable!("it goes on"),
    };
    for answer in answers {
        assert_eq!(answer.unwrap(), (200, "/".to_owned()));
    }
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_service_that_is_never_ready_again_is_made_anew() {
    let app = one_at_a_time(answering()).await;
    assert_eq!(app.request(get("/fail")).await.status(), 200);
    app.idle().await;
    assert_eq!(app.request(get("/")).await.status(), 500);
    app.idle().await;
    assert!(app.log_text().contains("it has failed before"), "{}", app.log_text());
    assert_eq!(app.request(get("/")).await.status(), 200);
    assert_eq!(app.instances(), 1);
}
