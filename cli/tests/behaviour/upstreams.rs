//! Real upstreams: old framings, large heads, closed keep-alive connections, and invalid responses.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wayside_harness::http::{HeaderMap, Request, Response};
use wayside_harness::{Body, Harness, Outbound};

use super::fixture::{Upstream, example, get, guests, post, read_head};

fn allow(upstream: &Upstream) -> Outbound {
    Outbound::allow([upstream.url.parse().unwrap()])
}

/// The example proxy in front of an upstream.
async fn proxy(upstream: &Upstream) -> Harness {
    example("proxy").env("UPSTREAM", &upstream.url).outbound(allow(upstream)).await.unwrap()
}

/// Returns what the example proxy answers if its upstream sends these bytes.
async fn passed_on(answer: impl Into<Vec<u8>>) -> (u16, HeaderMap, String) {
    let upstream = Upstream::answering(answer).await;
    let (head, body) = proxy(&upstream).await.request(get("/")).await.into_parts();
    (head.status.as_u16(), head.headers, body.text().await.unwrap())
}

/// Returns what a component reports if its upstream sends these bytes.
async fn told(answer: impl Into<Vec<u8>>) -> String {
    let upstream = Upstream::answering(answer).await;
    let app = guests().env("UPSTREAM", &upstream.url).outbound(allow(&upstream)).await.unwrap();
    app.request(get("/call")).await.into_body().text().await.unwrap()
}

#[tokio::test]
async fn chunks_win_over_a_content_length() {
    for length in ["5", "2", "0", "100"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n");
        let answer = format!("{head}3\r\nabc\r\n0\r\n\r\n");
        let (status, headers, text) = passed_on(answer.clone()).await;
        assert_eq!((status, text.as_str()), (200, "abc"), "{length}");
        assert!(!headers.contains_key("content-length"), "{length}: {headers:?}");
        assert_eq!(told(answer).await, "status 200\n3 bytes\n", "{length}");
    }
}

#[tokio::test]
async fn a_transfer_coding_beside_chunked_is_502() {
    for codings in ["gzip, chunked", "gzip", "chunked, chunked", "chunked\r\ntransfer-encoding: chunked"] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {codings}\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(passed_on(answer.clone()).await.0, 502, "{codings}");
        let text = told(answer).await;
        assert!(text.contains("transfer coding"), "{codings}: {text}");
    }
}

#[tokio::test]
async fn chunks_that_break_off_are_incomplete_whatever_the_content_length() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let text = told(answer).await;
    assert!(text.starts_with("status 200\n3 bytes, then incomplete=true: "), "{text}");
}

#[tokio::test]
async fn a_folded_field_is_one_line() {
    let answer = "HTTP/1.1 200 OK\r\nx-folded: one\r\n two\r\n\t three\r\ncontent-length: 2\r\n\r\nok";
    let (status, headers, text) = passed_on(answer).await;
    assert_eq!((status, text.as_str()), (200, "ok"));
    assert_eq!(headers["x-folded"], "one two three");
}

#[tokio::test]
async fn a_space_before_the_colon_is_dropped() {
    let (status, headers, text) = passed_on("HTTP/1.1 200 OK\r\nx-odd : yes\r\ncontent-length: 2\r\n\r\nok").await;
    assert_eq!((status, text.as_str()), (200, "ok"));
    assert_eq!(headers["x-odd"], "yes");
}

#[tokio::test]
async fn a_name_that_is_no_name_is_an_error() {
    let text = told("HTTP/1.1 200 OK\r\nx@odd: yes\r\ncontent-length: 2\r\n\r\nok").await;
    assert!(text.contains("broke the rules of HTTP"), "{text}");
}

fn with_fields(count: usize, size: usize) -> String {
    let fields: String = (0..count).map(|number| format!("x-{number}: {}\r\n", "v".repeat(size))).collect();
    format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok")
}

#[tokio::test]
async fn a_response_of_many_fields_passes() {
    for count in [99, 100, 150, 900] {
        let (status, headers, text) = passed_on(with_fields(count, 10)).await;
        assert_eq!((status, text.as_str()), (200, "ok"), "{count}");
        let passed = headers.keys().filter(|name| name.as_str().starts_with("x-")).count();
        assert_eq!(passed, count);
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_an_error_that_says_so() {
    for (count, size) in [(1500, 10), (100, 5000), (1, 500_000)] {
        let text = told(with_fields(count, size)).await;
        assert!(text.contains("response fields are too large: 126976 bytes"), "{count} fields of {size} bytes: {text}");
    }
}

/// wasmtime limits a component to 128 KiB of headers per message, so a component could not pass more on.
#[tokio::test]
async fn a_head_larger_than_a_component_can_pass_on_is_502() {
    assert_eq!(passed_on(with_fields(1, 120_000)).await.0, 200);
    for (count, size) in [(1, 130_000), (1, 200_000), (50, 3000)] {
        let (status, _, _) = passed_on(with_fields(count, size)).await;
        assert_eq!(status, 502, "{count} fields of {size} bytes");
    }
}

/// RFC 9110, section 15: status codes outside 100 to 599 are invalid.
#[tokio::test]
async fn an_invalid_status_is_502() {
    for status in [600, 999] {
        let answer = format!("HTTP/1.1 {status} Odd\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!(passed_on(answer.clone()).await.0, 502, "{status}");
        let text = told(answer).await;
        assert!(text.contains("broke the rules of HTTP"), "{text}");
    }
}

#[tokio::test]
async fn an_invalid_status_of_a_function_is_502() {
    let outbound = Outbound::from_fn(async |_| Ok(Response::builder().status(600).body(Body::from("ok")).unwrap()));
    let app = example("proxy").env("UPSTREAM", "http://a.test").outbound(outbound).await.unwrap();
    assert_eq!(app.request(get("/")).await.status(), 502);
}

#[tokio::test]
async fn equal_lengths_are_one() {
    for lengths in ["content-length: 2\r\ncontent-length: 2", "content-length: 2, 2"] {
        let (status, headers, text) = passed_on(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nok")).await;
        assert_eq!((status, text.as_str()), (200, "ok"), "{lengths}");
        let values: Vec<_> = headers.get_all("content-length").iter().collect();
        assert_eq!(values, ["2"], "{lengths}");
    }
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_502() {
    for lengths in ["content-length: 2\r\ncontent-length: 3", "content-length: 2, 3", "content-length: +2"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nok");
        assert_eq!(passed_on(answer.clone()).await.0, 502, "{lengths}");
        let text = told(answer).await;
        assert!(text.contains("broke the rules of HTTP"), "{lengths}: {text}");
    }
}

#[tokio::test]
async fn a_switch_of_protocols_that_nothing_asked_for_is_an_error() {
    let text = told("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: odd\r\n\r\nodd").await;
    assert!(text.contains("broke the rules of HTTP"), "{text}");
}

#[tokio::test]
async fn interim_responses_without_end_are_an_error() {
    let upstream = Upstream::with(async |mut stream| {
        read_head(&mut stream).await;
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await.is_ok() {}
    })
    .await;
    let app = guests().env("UPSTREAM", &upstream.url).outbound(allow(&upstream)).await.unwrap();
    let text = app.request(get("/call")).await.into_body().text().await.unwrap();
    assert!(text.contains("broke the rules of HTTP"), "{text}");
}

#[tokio::test]
async fn some_interim_responses_are_skipped() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(50);
    assert_eq!(told(format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await, "status 200\n2 bytes\n");
}

#[tokio::test]
async fn an_upstream_of_http_1_0_ends_its_body_with_the_connection_or_its_length() {
    for head in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n"] {
        let (status, _, text) = passed_on(format!("{head}hello")).await;
        assert_eq!((status, text.as_str()), (200, "hello"), "{head}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_within_its_head_is_incomplete() {
    for answer in ["HTTP/1.1", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
        let text = told(answer).await;
        assert!(text.starts_with("incomplete: GET "), "{answer}: {text}");
    }
}

/// Serves requests on keep-alive connections. `answer` gets the number of the connection and of the request on it; if
/// it returns `None`, the connection is closed. Also returns the request lines that arrive.
async fn keeping(answer: fn(usize, usize) -> Option<&'static str>) -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::<String>::new()));
    let heads = Arc::clone(&seen);
    let connections = Arc::new(Mutex::new(0));
    let upstream = Upstream::with(move |mut stream| {
        let heads = Arc::clone(&heads);
        let number = {
            let mut connections = connections.lock().unwrap();
            *connections += 1;
            *connections
        };
        async move {
            let mut requests = 0;
            while let Some(head) = next_head(&mut stream).await {
                requests += 1;
                heads.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
                let Some(answer) = answer(number, requests) else { return };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (upstream, seen)
}

/// Reads a request to its end, and returns its head. Returns `None` if the client closes the connection.
async fn next_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let field =
        |name: &str| head.lines().find_map(|line| Some(line.to_ascii_lowercase().strip_prefix(name)?.to_owned()));
    if field("transfer-encoding: ").is_some() {
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\n\r\n") {
            body.push(stream.read_u8().await.ok()?);
        }
    }
    let length = field("content-length: ").and_then(|length| length.parse().ok()).unwrap_or(0);
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(head)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers the first request of each connection, and closes the connection at the second request.
fn first_of_each(_: usize, request: usize) -> Option<&'static str> {
    (request == 1).then_some(OK)
}

async fn status_and_text(app: &Harness, request: Request<Body>) -> (u16, String) {
    let (head, body) = app.request(request).await.into_parts();
    (head.status.as_u16(), body.text().await.unwrap())
}

#[tokio::test]
async fn a_request_on_a_kept_connection_that_was_closed_is_sent_again() {
    for method in ["GET", "OPTIONS", "DELETE"] {
        let (upstream, seen) = keeping(first_of_each).await;
        let app = proxy(&upstream).await;
        for _ in 0..3 {
            let request = Request::builder().method(method).uri("/x").body(Body::empty()).unwrap();
            assert_eq!(status_and_text(&app, request).await, (200, "ok".to_owned()), "{method}");
        }
        assert_eq!(upstream.connections(), 3, "{method}");
        assert_eq!(seen.lock().unwrap().len(), 5, "{method}: the second and the third came twice");
    }
}

#[tokio::test]
async fn a_post_on_a_kept_connection_that_was_closed_is_not_sent_again() {
    let (upstream, seen) = keeping(first_of_each).await;
    let app = proxy(&upstream).await;
    assert_eq!(status_and_text(&app, get("/")).await.0, 200);
    assert_eq!(status_and_text(&app, post("/", "once")).await.0, 502);
    assert_eq!(seen.lock().unwrap().len(), 2, "{seen:?}");
    assert_eq!(status_and_text(&app, post("/", Body::empty())).await.0, 200);
}

#[tokio::test]
async fn a_request_whose_body_was_sent_is_not_sent_again() {
    let (upstream, seen) = keeping(first_of_each).await;
    let app = proxy(&upstream).await;
    assert_eq!(status_and_text(&app, get("/")).await.0, 200);
    let request = Request::put("/").body("the body is gone".into()).unwrap();
    assert_eq!(status_and_text(&app, request).await.0, 502);
    assert_eq!(seen.lock().unwrap().len(), 2, "{seen:?}");
}

#[tokio::test]
async fn a_request_on_a_new_connection_is_sent_once() {
    let (upstream, seen) = keeping(|_, _| None).await;
    assert_eq!(status_and_text(&proxy(&upstream).await, get("/")).await.0, 502);
    assert_eq!(seen.lock().unwrap().len(), 1, "{seen:?}");
}

#[tokio::test]
async fn what_follows_an_answer_without_a_body_harms_no_other_request() {
    for answer in [
        "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let upstream = Upstream::with(move |mut stream| async move {
            let answers = [answer, OK];
            for answer in answers {
                if next_head(&mut stream).await.is_none() {
                    return;
                }
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await;
        let app = guests().env("UPSTREAM", &upstream.url).outbound(allow(&upstream)).await.unwrap();
        let status = &answer[9..12];
        for _ in 0..2 {
            let text = app.request(get("/call")).await.into_body().text().await.unwrap();
            assert_eq!(text, format!("status {status}\n0 bytes\n"), "on a connection of its own");
        }
    }
}

#[tokio::test]
async fn a_body_in_an_answer_to_head_harms_no_other_request() {
    let upstream = Upstream::with(async |mut stream| {
        while let Some(head) = next_head(&mut stream).await {
            let answer =
                if head.starts_with("HEAD") { "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello" } else { OK };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let app = proxy(&upstream).await;
    for _ in 0..3 {
        let (head, body) = app.request(Request::head("/").body(Body::empty()).unwrap()).await.into_parts();
        assert_eq!((head.status.as_u16(), body.text().await.unwrap().as_str()), (200, ""));
        assert_eq!(head.headers["content-length"], "5");
        assert_eq!(status_and_text(&app, get("/")).await, (200, "ok".to_owned()));
    }
}
