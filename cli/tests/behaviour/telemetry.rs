//! The events that the harness sends while requests run.

use wayside_harness::http::{Request, Response, StatusCode};
use wayside_harness::{BodyEnd, Event, Outbound};

use crate::fixture::example;

fn upstream() -> Outbound {
    Outbound::from_fn(async |_| Ok(Response::new("from upstream".into())))
}

#[tokio::test]
async fn a_request_is_told_of_from_its_arrival_to_its_end_with_its_calls() {
    let app = example("proxy").env("UPSTREAM", "http://up.test").outbound(upstream()).await.unwrap();
    let mut events = app.events();
    let response = app.request(Request::get("/a?b").header("x-a", "1").body(()).unwrap()).await;
    assert_eq!(response.into_body().text().await.unwrap(), "from upstream");

    let Event::Started(started) = events.recv().await.unwrap() else { panic!("the arrival comes first") };
    assert_eq!((started.request, started.uri.path()), (1, "/a"));
    assert_eq!(started.request_headers["x-a"], "1");
    let mut called = None;
    let finished = loop {
        match events.recv().await.unwrap() {
            Event::Called(call) => called = Some(call),
            Event::Finished(exchange) => break exchange,
            _ => {}
        }
    };
    let called = called.expect("the call ends before the request");
    assert_eq!(called.uri.to_string(), "http://up.test/a?b");
    assert_eq!((called.status, called.response_bytes, called.end), (Ok(StatusCode::OK), 13, Some(BodyEnd::Whole)));
    assert_eq!((finished.status, finished.response_bytes), (Some(StatusCode::OK), 13));
    assert_eq!((finished.end, finished.calls, finished.trap), (Some(BodyEnd::Whole), 1, None));
    assert!(finished.usage.is_some() && finished.busy <= finished.duration);
    assert_eq!(app.calls().len(), 1);
}

#[tokio::test]
async fn a_call_that_fails_says_why() {
    let app = example("proxy").env("UPSTREAM", "http://up.test").await.unwrap();
    let response = app.request(Request::get("/").body(()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    app.idle().await;
    let calls = app.calls();
    assert!(calls[0].status.as_ref().is_err_and(|reason| reason.contains("denied")), "{calls:?}");
}

#[tokio::test]
async fn an_instance_that_waits_for_its_next_request_keeps_none_unfinished() {
    let app = example("hello").reuse(10).await.unwrap();
    let mut events = app.events();
    for request in 1..=2 {
        app.request(Request::get("/").body(()).unwrap()).await.into_body().bytes().await.unwrap();
        let finished = loop {
            if let Event::Finished(exchange) = events.recv().await.unwrap() {
                break exchange;
            }
        };
        assert_eq!(finished.request, request);
    }
    assert_eq!(app.instances(), 1);
}

#[tokio::test]
async fn a_response_of_declared_length_is_whole_where_its_reader_stops_behind_it() {
    let app = example("hello").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut events = app.events();
    crate::fixture::Wire::get(&server, "/").await;
    let finished = loop {
        if let Event::Finished(exchange) = events.recv().await.unwrap() {
            break exchange;
        }
    };
    assert_eq!((finished.response_bytes, finished.end), (20, Some(BodyEnd::Whole)));
}

#[tokio::test]
async fn a_call_has_its_bytes_counted_both_ways() {
    let echo = Outbound::from_fn(async |request: Request<wayside_harness::Body>| {
        let body = request.into_body().bytes().await.unwrap();
        Ok(Response::new([&body[..], b"!!"].concat().into()))
    });
    let app = crate::fixture::raw("proxy").env("UPSTREAM", "api.test").outbound(echo).await.unwrap();
    let response = app.request(Request::post("/a").header("x-a", "1").body("hello").unwrap()).await;
    assert_eq!(response.into_body().text().await.unwrap(), "hello!!");
    app.idle().await;
    let [call] = &app.calls()[..] else { panic!("one call was made") };
    assert_eq!((call.request, call.method.as_str(), call.uri.to_string().as_str()), (1, "POST", "http://api.test/a"));
    assert_eq!((call.headers["x-a"].as_bytes(), call.request_bytes, call.response_bytes), (&b"1"[..], 5, 7));
}
