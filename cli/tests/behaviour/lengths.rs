//! The declared length of a response fits its status and its body.

use wayside_harness::http::{Method, Request, Response};
use wayside_harness::{Body, ErrorCode, Outbound};

use super::fixture::{Upstream, Wire, example, get, guests, wire_get};
use super::framing::{chain, header, over_http2, proxied};

#[tokio::test]
async fn a_known_length_is_sent() {
    let (wire, _) = wire_get("/status/200").await;
    assert_eq!(wire.field("content-length"), ["6"]);
    assert!(wire.field("transfer-encoding").is_empty());
    assert_eq!(wire.whole_text(), "a body");
}

#[tokio::test]
async fn an_unknown_length_is_chunked() {
    let (wire, _) = wire_get("/channel").await;
    assert_eq!(wire.field("transfer-encoding"), ["chunked"]);
    assert!(wire.field("content-length").is_empty());
    assert_eq!(wire.whole_text(), "one two three");
}

#[tokio::test]
async fn an_empty_body_has_content_length_zero() {
    let (wire, _) = wire_get("/field-bytes").await;
    assert_eq!(wire.field("content-length"), ["0"]);
    assert!(wire.rest.is_empty());
}

#[tokio::test]
async fn a_204_has_neither_body_nor_length() {
    let (wire, app) = wire_get("/status/204").await;
    assert_eq!(wire.status, 204);
    assert!(wire.field("content-length").is_empty());
    assert!(wire.field("transfer-encoding").is_empty());
    assert!(wire.rest.is_empty());
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn a_304_has_no_body() {
    let (wire, app) = wire_get("/status/304").await;
    assert_eq!(wire.status, 304);
    assert!(wire.rest.is_empty());
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn a_head_request_gets_the_length_and_no_body() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::exchange(&server, "HEAD /status/200 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(wire.status, 200);
    assert_eq!(wire.field("content-length"), ["6"]);
    assert!(wire.rest.is_empty());
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn a_head_request_never_runs_a_stream() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::exchange(&server, "HEAD /body-fails HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(wire.status, 200);
    assert!(wire.rest.is_empty());
    app.idle().await;
    assert_eq!(app.log_text(), "");
}

#[tokio::test]
async fn an_interim_status_becomes_500_and_a_log_line() {
    for status in [100, 101, 103] {
        let (wire, app) = wire_get(&format!("/status/{status}")).await;
        assert_eq!(wire.status, 500);
        assert!(app.log_text().contains(&format!("GET /status/{status}: ")), "{}", app.log_text());
        assert!(app.log_text().contains("interim status"), "{}", app.log_text());
    }
}

#[tokio::test]
async fn a_status_beyond_the_registered_ones_is_sent() {
    for status in [299, 599] {
        let (wire, _) = wire_get(&format!("/status/{status}")).await;
        assert_eq!((wire.status, wire.whole_text().as_str()), (status, "a body"));
    }
}

/// RFC 9110, section 15: status codes outside 100 to 599 are invalid.
#[tokio::test]
async fn an_invalid_status_becomes_500_and_a_log_line() {
    for status in [600, 999] {
        let (wire, app) = wire_get(&format!("/status/{status}")).await;
        assert_eq!(wire.status, 500, "{status}");
        assert!(app.log_text().contains(&format!("the status {status} is invalid")), "{}", app.log_text());
    }
}

#[tokio::test]
async fn the_right_content_length_is_kept() {
    for path in ["/length/10", "/length/10?stream"] {
        let (wire, _) = wire_get(path).await;
        assert_eq!(wire.field("content-length"), ["10"], "{path}");
        assert_eq!(wire.whole_text(), "0123456789", "{path}");
    }
}

#[tokio::test]
async fn an_incoming_body_of_known_length_keeps_it_when_it_is_sent_back() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "POST /back HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    let wire = Wire::exchange(&server, request).await;
    assert_eq!(wire.field("content-length"), ["5"]);
    assert_eq!(wire.whole_text(), "hello");
}

#[tokio::test]
async fn a_wrong_content_length_on_known_bytes_is_500_and_names_both_numbers() {
    for length in ["9", "11"] {
        let (wire, app) = wire_get(&format!("/length/{length}")).await;
        assert_eq!(wire.status, 500);
        let expected = format!("content-length {length} on a body of 10 bytes");
        assert!(app.log_text().contains(&expected), "{}", app.log_text());
    }
}

#[tokio::test]
async fn a_content_length_that_is_no_number_is_500() {
    for length in ["+5", "ten", "5%2C5"] {
        let (wire, app) = wire_get(&format!("/length/{length}")).await;
        assert_eq!(wire.status, 500, "{length}");
        assert!(app.log_text().contains("is not a number of bytes"), "{}", app.log_text());
    }
}

#[tokio::test]
async fn a_stream_shorter_than_its_content_length_is_cut() {
    let (wire, app) = wire_get("/length/11?stream").await;
    assert_eq!(wire.cut_text(), "0123456789");
    assert!(app.log_text().contains("1 bytes shorter than its content-length"), "{}", app.log_text());
}

#[tokio::test]
async fn a_stream_longer_than_its_content_length_is_cut() {
    let (wire, app) = wire_get("/length/9?stream").await;
    assert_eq!(wire.cut_text(), "01234");
    assert!(app.log_text().contains("longer than its content-length"), "{}", app.log_text());
}

#[tokio::test]
async fn a_body_taken_by_itself_knows_its_length() {
    let app = example("echo").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    let wire = Wire::exchange(&server, request).await;
    assert_eq!(wire.field("content-length"), ["5"]);
    assert_eq!(wire.whole_text(), "hello");
}

/// A response to HEAD without a length.
const NO_LENGTH: &str = "HTTP/1.1 200 OK\r\nx-kept: yes\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_head_passed_on_whose_answer_tells_no_length_has_none() {
    for app in [example("proxy"), chain()] {
        let (wire, _) = proxied(app, "HEAD", NO_LENGTH).await;
        assert_eq!(wire.field("x-kept"), ["yes"]);
        assert!(wire.field("content-length").is_empty(), "{wire:?}");
        assert!(wire.field("transfer-encoding").is_empty(), "{wire:?}");
        assert!(wire.rest.is_empty(), "{wire:?}");
    }
}

#[tokio::test]
async fn a_head_passed_on_over_http2_whose_answer_tells_no_length_has_none() {
    let upstream = Upstream::answering(NO_LENGTH).await;
    let outbound = Outbound::allow([upstream.url.parse().unwrap()]);
    let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    let response = over_http2(&app, "HEAD", "/").await;
    assert_eq!(header(&response, "x-kept"), ["yes"]);
    assert!(header(&response, "content-length").is_empty(), "{response:?}");
}

#[tokio::test]
async fn a_head_passed_on_in_process_whose_answer_tells_no_length_has_none() {
    let outbound =
        Outbound::from_fn(async |_| Ok(Response::builder().header("x-kept", "yes").body(Body::empty()).unwrap()));
    let app = example("proxy").env("UPSTREAM", "http://a.test").outbound(outbound).await.unwrap();
    let response = app.request(Request::head("/").body(()).unwrap()).await;
    assert_eq!(header(&response, "x-kept"), ["yes"]);
    assert!(header(&response, "content-length").is_empty(), "{response:?}");
}

#[tokio::test]
async fn a_head_passed_on_keeps_the_length_of_its_answer() {
    for app in [example("proxy"), chain()] {
        let (wire, _) =
            proxied(app, "HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n").await;
        assert_eq!(wire.field("content-length"), ["100"]);
        assert!(wire.rest.is_empty(), "{wire:?}");
    }
}

#[tokio::test]
async fn a_304_passed_on_keeps_its_length_or_has_none() {
    for (length, expected) in [("content-length: 100\r\n", Some("100")), ("", None)] {
        let answer = format!("HTTP/1.1 304 Not Modified\r\n{length}connection: close\r\n\r\n");
        let (wire, _) = proxied(example("proxy"), "GET", &answer).await;
        assert_eq!(wire.status, 304);
        assert_eq!(wire.field("content-length").first().copied(), expected);
        assert!(wire.rest.is_empty(), "{wire:?}");
        let upstream = Upstream::answering(answer).await;
        let outbound = Outbound::allow([upstream.url.parse().unwrap()]);
        let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
        let response = over_http2(&app, "GET", "/").await;
        assert_eq!(response.status(), 304);
        assert_eq!(header(&response, "content-length").first().copied(), expected);
    }
}

#[tokio::test]
async fn a_205_has_no_body() {
    let (wire, app) = wire_get("/status/205").await;
    assert_eq!(wire.status, 205);
    assert_eq!(wire.field("content-length"), ["0"]);
    assert!(wire.field("transfer-encoding").is_empty(), "{wire:?}");
    assert!(wire.rest.is_empty(), "{wire:?}");
    let response = app.request(get("/status/205")).await;
    assert_eq!(response.status(), 205);
    assert!(response.into_body().bytes().await.unwrap().is_empty());
    let response = over_http2(&app, "GET", "/status/205").await;
    assert!(http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn a_205_passed_on_has_no_body() {
    let (wire, _) = proxied(
        example("proxy"),
        "GET",
        "HTTP/1.1 205 Reset Content\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
    )
    .await;
    assert_eq!(wire.status, 205);
    assert_eq!(wire.field("content-length"), ["0"]);
    assert!(wire.rest.is_empty(), "{wire:?}");
}

#[tokio::test]
async fn equal_lengths_of_an_upstream_are_one() {
    for lengths in ["content-length: 5, 5\r\n", "content-length: 5\r\ncontent-length: 5\r\n"] {
        for method in ["GET", "HEAD"] {
            let body = if method == "HEAD" { "" } else { "hello" };
            let answer = format!("HTTP/1.1 200 OK\r\n{lengths}connection: close\r\n\r\n{body}");
            let (wire, app) = proxied(example("proxy"), method, &answer).await;
            assert_eq!(wire.status, 200, "{}", app.log_text());
            assert_eq!(wire.field("content-length"), ["5"], "{wire:?}");
            assert_eq!(wire.rest, body.as_bytes());
        }
    }
}

#[tokio::test]
async fn contradictory_lengths_of_an_upstream_are_502() {
    for lengths in ["content-length: 5, 6\r\n", "content-length: 5\r\ncontent-length: 6\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lengths}connection: close\r\n\r\nhello");
        let (wire, _) = proxied(example("proxy"), "GET", &answer).await;
        assert_eq!(wire.status, 502, "{wire:?}");
        // HTTP parsers ignore the length of a response to HEAD, so the harness itself must check it.
        let answer = format!("HTTP/1.1 200 OK\r\n{lengths}connection: close\r\n\r\n");
        let (wire, _) = proxied(example("proxy"), "HEAD", &answer).await;
        assert_eq!(wire.status, 502, "{wire:?}");
    }
}

#[tokio::test]
async fn chunks_of_an_upstream_win_over_its_length() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
                  5\r\nhello\r\n0\r\n\r\n";
    let (wire, app) = proxied(example("proxy"), "GET", answer).await;
    assert_eq!(wire.status, 200, "{}", app.log_text());
    assert_eq!(wire.whole_text(), "hello");
    assert!(wire.field("content-length").is_empty(), "{wire:?}");
}

#[tokio::test]
async fn a_signed_length_of_an_upstream_is_502() {
    for method in ["GET", "HEAD"] {
        let (wire, _) = proxied(
            example("proxy"),
            method,
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\nconnection: close\r\n\r\nhello",
        )
        .await;
        assert_eq!(wire.status, 502, "{wire:?}");
    }
}

#[tokio::test]
async fn a_signed_length_of_a_mock_is_502() {
    let outbound = Outbound::from_fn(async |_| {
        Ok(Response::builder().header("content-length", "+5").body("hello".into()).unwrap())
    });
    let app = example("proxy").env("UPSTREAM", "http://a.test").outbound(outbound).await.unwrap();
    assert_eq!(app.request(get("/")).await.status(), 502);
}

#[tokio::test]
async fn a_mock_that_answers_head_with_a_body_sends_none() {
    let outbound = Outbound::from_fn(async |request: Request<Body>| {
        assert_eq!(request.method(), Method::HEAD);
        Ok::<_, ErrorCode>(Response::new("hello".into()))
    });
    let app = example("proxy").env("UPSTREAM", "http://a.test").outbound(outbound).await.unwrap();
    let response = app.request(Request::head("/").body(()).unwrap()).await;
    assert_eq!(response.status(), 200, "{}", app.log_text());
    assert_eq!(header(&response, "content-length"), ["5"]);
    assert!(response.into_body().bytes().await.unwrap().is_empty());
}
