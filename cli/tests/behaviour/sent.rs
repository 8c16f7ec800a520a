//! Requests that a component sends reach the server unchanged, but without forbidden headers.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use wayside_harness::http::Response;
use wayside_harness::{Body, Outbound};

use super::fixture::{Upstream, assert_answers_next, eventually, get, guests, read_head};

/// Requests this path of a component, which then calls a server. The server records the call and responds with ten
/// bytes. Returns what the component reports, and the recorded call.
async fn send(path: &str) -> (String, String) {
    let seen = Arc::new(Mutex::new(String::new()));
    let requests = Arc::clone(&seen);
    let upstream = Upstream::with(move |mut stream| {
        let requests = Arc::clone(&requests);
        async move {
            let head = read_head(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\nx-back: one\r\nx-back: caf\xe9\r\ncontent-length: 10\r\n\r\n0123456789";
            stream.write_all(answer).await.unwrap();
            let mut request: Vec<u8> = head.chars().map(|character| character as u8).collect();
            while !request.ends_with(b"hello") {
                request.push(stream.read_u8().await.unwrap());
            }
            requests.lock().unwrap().extend(request.into_iter().map(char::from));
        }
    })
    .await;
    let outbound = Outbound::allow([upstream.url.parse().unwrap()]);
    let app = guests().env("UPSTREAM", &upstream.url).outbound(outbound).reuse(u32::MAX).await.unwrap();
    let said = app.request(get(path)).await.into_body().text().await.unwrap();
    app.idle().await;
    assert_answers_next(&app).await;
    let seen = seen.lock().unwrap().clone();
    (said, seen)
}

#[tokio::test]
async fn fields_of_a_connection_are_dropped_from_requests() {
    let (said, seen) = send("/own-fields/of-a-connection").await;
    assert_eq!(said, "status 200, x-back one caf\\xe9\n");
    let mut names: Vec<&str> = seen.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    // Sorts the names, because the host of the component decides on the position of the header `host`.
    names.sort_unstable();
    assert_eq!(names, ["content-length", "host", "x-public"], "{seen}");
    assert!(!seen.contains("elsewhere.test"), "{seen}");
}

#[tokio::test]
async fn an_upload_of_work_after_the_response_is_sent() {
    let upstream = Outbound::from_fn(async |request| {
        let text = request.into_body().text().await.unwrap_or_else(|error| error.to_string());
        Ok(Response::builder().status(if text == "sent late" { 201 } else { 400 }).body(Body::empty()).unwrap())
    });
    let app = guests().env("UPSTREAM", "http://upstream.test").outbound(upstream).await.unwrap();
    assert_eq!(app.request(get("/spawned/upload")).await.into_body().text().await.unwrap(), "accepted");
    app.idle().await;
    assert!(app.log_text().contains("upstream answered 201"), "{}", app.log_text());
}

#[tokio::test]
async fn repeated_fields_and_bytes_beyond_ascii_reach_the_server_in_order() {
    let (_, seen) = send("/own-fields/repeated").await;
    let values: Vec<&str> = seen.lines().filter_map(|line| line.strip_prefix("x-out: ")).collect();
    assert_eq!(values, ["first", "café", "third"], "{seen}");
}

#[tokio::test]
async fn fields_of_a_request_beyond_the_limit_of_hosts_are_an_error_before_anything_is_sent() {
    let (said, seen) = send("/own-fields/too-large").await;
    assert!(said.starts_with("request=true: POST http://127.0.0.1:"), "{said}");
    assert!(said.contains("the fields are too large"), "{said}");
    assert_eq!(seen, "");
}

#[tokio::test]
async fn a_wrong_content_length_of_a_request_is_an_error_that_names_both_numbers() {
    for (length, expected) in [
        ("4", "content-length is set to 4, the body has 5 bytes"),
        ("6", "content-length is set to 6, the body has 5 bytes"),
        ("+5", "content-length `+5` is not a number of bytes"),
    ] {
        let (said, seen) = send(&format!("/own-fields/{length}")).await;
        assert!(said.starts_with("request=true: ") && said.contains(expected), "{said}");
        assert_eq!(seen, "", "{length}");
    }
}

#[tokio::test]
async fn an_upload_goes_on_when_its_response_is_dropped() {
    let uploaded = Arc::new(Notify::new());
    let upstream = Upstream::with(move |mut stream| {
        let uploaded = Arc::clone(&uploaded);
        async move {
            // The second call is the GET. It is answered only after the whole upload of the first call has arrived.
            if read_head(&mut stream).await.starts_with("GET") {
                uploaded.notified().await;
                return stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
            stream.write_all(answer).await.unwrap();
            let mut upload = Vec::new();
            while !upload.ends_with(b"three\r\n0\r\n\r\n") {
                upload.push(stream.read_u8().await.unwrap());
            }
            uploaded.notify_one();
        }
    })
    .await;
    let outbound = Outbound::allow([upstream.url.parse().unwrap()]);
    let app = guests().env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    let said = app.request(get("/early-drop")).await.into_body().text().await.unwrap();
    assert_eq!(said, "200 OK, then 204 No Content\n", "{}", app.log_text());
}

#[tokio::test]
async fn an_upload_that_is_at_hand_is_sent_to_its_end_after_the_handler() {
    const BYTES: usize = 8 * 1024 * 1024;
    let received = Arc::new(Mutex::new(None));
    let uploads = Arc::clone(&received);
    let upstream = Upstream::with(move |mut stream| {
        let uploads = Arc::clone(&uploads);
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            let mut upload = vec![0; BYTES];
            let whole = stream.read_exact(&mut upload).await.is_ok();
            *uploads.lock().unwrap() = Some(whole);
        }
    })
    .await;
    let outbound = Outbound::allow([upstream.url.parse().unwrap()]);
    let app = guests().env("UPSTREAM", &upstream.url).outbound(outbound).reuse(u32::MAX).await.unwrap();
    let said = app.request(get(&format!("/early-end/{BYTES}"))).await.into_body().text().await.unwrap();
    assert_eq!(said, "202 Accepted\n");
    eventually("the upload ends", || received.lock().unwrap().is_some()).await;
    assert_eq!(*received.lock().unwrap(), Some(true), "the upload was cut");
    app.idle().await;
    assert_answers_next(&app).await;
}
