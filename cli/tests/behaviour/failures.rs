//! A client never takes a failure for success, and other requests go on.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use wayside_harness::{Body, Harness, Limits};

use super::fixture::{Wire, assert_answers_next, assert_slept, eventually, get, guests, post, wire_get};

/// The text of the problem document, which does not reveal the cause.
const PROBLEM_500: &str = r#"{"title":"Internal Server Error","status":500}"#;

async fn status_of(app: &Harness, path: &str) -> u16 {
    let response = app.request(get(path)).await;
    let status = response.status().as_u16();
    let _ = response.into_body().bytes().await;
    app.idle().await;
    status
}

#[tokio::test]
async fn an_error_of_the_handler_is_a_problem_document_that_leaks_nothing() {
    let (wire, app) = wire_get("/error").await;
    assert_eq!(wire.status, 500);
    assert_eq!(wire.field("content-type"), ["application/problem+json"]);
    assert_eq!(wire.whole_text(), r#"{"title":"Internal Server Error","status":500}"#);
    assert!(app.log_text().starts_with("GET /error: 500 Internal Server Error: "), "{}", app.log_text());
}

#[tokio::test]
async fn an_error_answers_with_its_own_status_and_not_with_an_error_code_of_the_host() {
    for status in [400, 404, 409, 422, 503] {
        let (wire, app) = wire_get(&format!("/error-status/{status}")).await;
        assert_eq!(wire.status, status);
        assert_eq!(wire.field("content-type"), ["application/problem+json"]);
        assert!(wire.whole_text().contains(r#""detail":"the reason""#), "{wire:?}");
        assert_eq!(app.log_text(), "");
    }
}

#[tokio::test]
async fn an_error_sends_its_headers_with_its_problem_document() {
    let (wire, app) = wire_get("/error-headers").await;
    assert_eq!(wire.status, 401);
    assert_eq!(wire.field("www-authenticate"), ["Basic realm=\"a\"", "Bearer"]);
    assert_eq!(wire.field("retry-after"), ["30"]);
    assert_eq!(wire.field("content-type"), ["application/problem+json"]);
    assert!(wire.field("transfer-encoding").is_empty(), "{wire:?}");
    assert_eq!(wire.whole_text(), r#"{"title":"Unauthorized","status":401,"detail":"a token is needed"}"#);
    assert_eq!(app.log_text(), "");
}

#[tokio::test]
async fn a_panic_before_the_head_is_500_with_message_and_request_on_stderr() {
    let (wire, app) = wire_get("/panic-before-head/x").await;
    assert_eq!(wire.status, 500);
    assert_eq!(wire.field("content-type"), ["application/problem+json"]);
    assert_eq!(wire.whole_text(), PROBLEM_500);
    let log = app.log_text();
    assert!(log.contains("GET /panic-before-head/x: panicked at "), "{log}");
    assert!(log.contains("the handler gave up on x"), "{log}");
    assert_eq!(app.traps().len(), 1);
}

#[tokio::test]
async fn a_panic_after_the_head_cuts_the_response() {
    let (wire, app) = wire_get("/panic-after-head").await;
    assert_eq!(wire.status, 200);
    assert_eq!(wire.cut_text(), "first part");
    assert!(app.log_text().contains("GET /panic-after-head: panicked at "), "{}", app.log_text());
}

#[tokio::test]
async fn a_trap_before_the_head_is_500() {
    let (wire, app) = wire_get("/trap").await;
    assert_eq!((wire.status, wire.whole_text().as_str()), (500, PROBLEM_500));
    assert!(app.traps()[0].reason.contains("unreachable"), "{:?}", app.traps());
}

#[tokio::test]
async fn a_trap_after_the_head_cuts_the_response() {
    let (wire, _) = wire_get("/trap-after-head").await;
    assert_eq!(wire.status, 200);
    assert_eq!(wire.cut_text(), "first part");
}

#[tokio::test]
async fn a_trap_after_the_end_costs_the_client_nothing() {
    for _ in 0..20 {
        let (wire, app) = wire_get("/trap-after-end").await;
        assert_eq!(wire.status, 200);
        assert_eq!(wire.whole_text(), "all of it");
        assert_eq!(app.traps().len(), 1);
    }
}

#[tokio::test]
async fn a_body_that_fails_half_way_is_cut_and_logged_with_its_cause() {
    let (wire, app) = wire_get("/body-fails").await;
    assert_eq!(wire.status, 200);
    assert_eq!(wire.cut_text(), "first part");
    let expected = "GET /body-fails: the response was cut: the source of the body failed: the source ran dry\n";
    assert_eq!(app.log_text(), expected);
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn a_sender_that_is_dropped_cuts_the_response() {
    let (wire, _) = wire_get("/channel/dropped").await;
    assert_eq!(wire.cut_text(), "one two three");
}

#[tokio::test]
async fn too_much_memory_is_500_with_the_limit_on_record() {
    let app = guests().limits(Limits::default().memory_bytes(16 * 1024 * 1024)).await.unwrap();
    assert_eq!(status_of(&app, "/memory").await, 500);
    assert!(app.traps()[0].reason.contains("16777216 bytes of memory"), "{:?}", app.traps());
}

#[tokio::test]
async fn a_full_stack_is_500() {
    let app = guests().await.unwrap();
    assert_eq!(status_of(&app, "/recursion").await, 500);
    assert!(app.traps()[0].reason.contains("stack"), "{:?}", app.traps());
}

#[tokio::test]
async fn a_handler_over_its_time_is_504() {
    let app = guests().limits(Limits::default().timeout(Duration::from_millis(100))).await.unwrap();
    assert_eq!(status_of(&app, "/spin").await, 504);
    assert!(app.traps()[0].reason.contains("longer than the limit"), "{:?}", app.traps());
}

/// The engine interrupts a busy component every few milliseconds; these interrupts are no host calls.
#[tokio::test]
async fn interrupts_of_a_busy_component_are_no_host_calls() {
    let limits = Limits::default().timeout(Duration::from_secs(1));
    let app = guests().count_fuel().limits(limits).await.unwrap();
    assert_eq!(status_of(&app, "/spin").await, 504);
    app.idle().await;
    let host_calls = app.usage()[0].host_calls.unwrap();
    assert!((1..50).contains(&host_calls), "{host_calls}");
}

#[tokio::test]
async fn waiting_for_what_never_comes_is_500_and_says_so() {
    let app = guests().await.unwrap();
    assert_eq!(status_of(&app, "/deadlock").await, 500);
    assert!(app.log_text().contains("nothing can bring about"), "{}", app.log_text());
}

#[tokio::test]
async fn other_requests_go_on_beside_one_that_traps() {
    let app = guests().await.unwrap();
    let (trapped, fine) = tokio::join!(app.request(get("/trap")), app.request(get("/sleep")));
    assert_eq!(trapped.status(), 500);
    assert_eq!(fine.status(), 200);
    assert_slept(&fine.into_body().text().await.unwrap());
}

#[tokio::test]
async fn a_body_over_its_limit_is_413() {
    let app = guests().await.unwrap();
    assert_eq!(app.request(post("/limited", "0123456789")).await.status(), 200);
    assert_eq!(app.request(post("/limited", "0123456789+")).await.status(), 413);
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_413_before_the_body_comes() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    // The body is never sent: a response proves that the component does not wait for it.
    let request = "POST /limited HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 11\r\n\r\n";
    assert_eq!(Wire::exchange(&server, request).await.status, 413);
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_to_the_writer() {
    use http_body_util::BodyExt as _;

    let app = guests().await.unwrap();
    let mut body = app.request(get("/endless")).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    eventually("the writer stops", || app.log_text().contains("writer stopped: closed=true")).await;
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_the_work_that_is_waited_for() {
    use tokio::io::AsyncReadExt as _;

    let app = guests().reuse(u32::MAX).await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"GET /hang-up HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 64 * 1024]).await.unwrap();
    drop(stream);
    eventually("the work ends", || app.log_text().contains("done")).await;
    app.idle().await;
    assert_eq!(app.log_text(), "the body was dropped\nthe work was done\n");
    assert_answers_next(&app).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_in_its_upload_leaves_the_instance_to_others() {
    let app = guests().reuse(u32::MAX).await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for framing in ["content-length: 100\r\n\r\nonly this", "transfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n"] {
        let before = app.log_text().len();
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(format!("POST /whole HTTP/1.1\r\nhost: test\r\n{framing}").as_bytes()).await.unwrap();
        drop(stream);
        eventually("the handler fails", || app.log_text()[before..].contains("the body broke off")).await;
        app.idle().await;
        assert_answers_next(&app).await;
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_while_it_is_read_ends_nothing() {
    use http_body_util::channel::Channel;
    use wayside_harness::bytes::Bytes;

    let app = guests().reuse(u32::MAX).await.unwrap();
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    sender.send_data("piece".into()).await.unwrap();
    let response = app.request(post("/half-read/request", Body::new(body))).await;
    assert_eq!(response.into_body().text().await.unwrap(), "5 bytes, then a pause\n");
    app.idle().await;
    assert_answers_next(&app).await;
}

#[tokio::test]
async fn a_request_body_that_breaks_off_is_no_whole_one() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"POST /whole HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nonly this").await.unwrap();
    drop(stream);
    eventually("the handler fails", || app.log_text().contains("the body broke off")).await;
    assert!(app.log_text().contains("400 Bad Request"), "{}", app.log_text());
}

#[tokio::test]
async fn a_handler_whose_client_left_before_the_head_is_ended_too() {
    let app = guests().limits(Limits::default().timeout(Duration::from_millis(200))).await.unwrap();
    // The client leaves before the head. The component would write for ever if the harness did not end it.
    let request = app.request(get("/endless"));
    drop(tokio::time::timeout(Duration::ZERO, request).await);
    app.idle().await;
    let request = app.request(get("/spin"));
    drop(tokio::time::timeout(Duration::from_millis(1), request).await);
    app.idle().await;
}
