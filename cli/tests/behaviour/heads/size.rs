//! Limits for the head and the trailers of a request, over HTTP/1.1 and HTTP/2.

use std::fmt::Write as _;

use wayside_harness::http::{HeaderMap, HeaderName, Request};
use wayside_harness::{Body, Server};

use super::super::fixture::{Wire, guests};
use super::http2::Http2;
use super::shown;

/// Returns this many headers with values of this many bytes.
fn fields(count: usize, bytes: usize) -> HeaderMap {
    let field = |number| (HeaderName::try_from(format!("x-{number}")).unwrap(), "v".repeat(bytes).parse().unwrap());
    (0..count).map(field).collect()
}

fn lines(fields: &HeaderMap) -> String {
    fields.iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = write!(lines, "{name}: {}\r\n", value.to_str().unwrap());
        lines
    })
}

/// Sends a GET request with these headers over HTTP/1.1 and over HTTP/2. Returns the status and the body of each
/// response.
async fn over_both(server: &Server, path: &str, fields: &HeaderMap) -> [(u16, String); 2] {
    let head = format!("GET {path} HTTP/1.1\r\nhost: a.test\r\n{}connection: close\r\n\r\n", lines(fields));
    let wire = Wire::exchange(server, &head).await;
    let mut request = Request::get(format!("http://a.test{path}")).body(Body::empty()).unwrap();
    request.headers_mut().extend(fields.clone());
    let response = Http2::to(server).await.send(request).await;
    [(wire.status, wire.whole_text()), (response.status().as_u16(), response.into_body())]
}

#[tokio::test]
async fn as_many_fields_as_the_limit_are_answered_over_both_protocols() {
    let (_app, server) = shown().await;
    // The limit is 100. Over HTTP/1.1, the hundredth header is `connection: close`; `host` does not count.
    for (status, text) in over_both(&server, "/", &fields(99, 1)).await {
        assert_eq!((status, text.matches("x-").count()), (200, 99));
    }
}

#[tokio::test]
async fn more_fields_than_the_limit_are_431_with_a_reason_over_both_protocols() {
    let (app, server) = shown().await;
    for count in [101, 500] {
        for (status, text) in over_both(&server, "/", &fields(count, 1)).await {
            assert_eq!(status, 431, "{count}");
            assert!(text.contains("at most 100"), "{text}");
        }
    }
    assert_eq!((app.requests(), app.instances()), (4, 0), "each is counted, and none reaches the component");
}

#[tokio::test]
async fn a_head_of_60_kilobytes_is_answered_over_both_protocols() {
    let (_app, server) = shown().await;
    for fields in [fields(1, 60_000), fields(90, 650)] {
        for (status, text) in over_both(&server, "/", &fields).await {
            assert_eq!(status, 200);
            assert!(text.len() > 58_000, "{}", text.len());
        }
    }
}

#[tokio::test]
async fn more_bytes_than_the_limit_are_431_with_a_reason_over_both_protocols() {
    let (app, server) = shown().await;
    for fields in [fields(1, 70_000), fields(90, 800), fields(10, 30_000)] {
        for (status, text) in over_both(&server, "/", &fields).await {
            assert_eq!(status, 431);
            assert!(text.contains("at most 65536 bytes"), "{text}");
        }
    }
    assert_eq!((app.requests(), app.instances()), (6, 0));
}

#[tokio::test]
async fn a_target_is_414_with_a_reason_beyond_its_limit_over_both_protocols() {
    let (app, server) = shown().await;
    for (status, text) in over_both(&server, &format!("/{}", "p".repeat(30_000)), &HeaderMap::new()).await {
        assert_eq!(status, 200);
        assert!(text.len() > 30_000);
    }
    for (status, text) in over_both(&server, &format!("/{}", "p".repeat(40_000)), &HeaderMap::new()).await {
        assert_eq!(status, 414);
        assert!(text.contains("at most 32768 bytes"), "{text}");
    }
    assert_eq!((app.requests(), app.instances()), (4, 2));
}

/// Sends a body with these trailers over HTTP/1.1 and over HTTP/2. Returns the status of each response.
async fn trailers_over_both(server: &Server, trailers: &HeaderMap) -> [u16; 2] {
    let head = "POST /trailers HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let wire = Wire::exchange(server, &format!("{head}4\r\ndata\r\n0\r\n{}\r\n", lines(trailers))).await;
    let body = Body::from("data").with_trailers(trailers.clone());
    let request = Request::post("http://a.test/trailers").body(body).unwrap();
    let response = Http2::to(server).await.status(request).await;
    [wire.status, response]
}

#[tokio::test]
async fn trailers_within_the_limits_are_answered_over_both_protocols() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for trailers in [fields(100, 1), fields(1, 15_000)] {
        assert_eq!(trailers_over_both(&server, &trailers).await, [200; 2]);
    }
}

#[tokio::test]
async fn trailers_beyond_a_limit_are_431_over_both_protocols() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for trailers in [fields(101, 1), fields(1, 17_000), fields(90, 1000)] {
        assert_eq!(trailers_over_both(&server, &trailers).await, [431; 2]);
    }
}

#[tokio::test]
async fn a_chunk_size_beyond_64_bits_is_malformed_and_no_trailer_that_is_too_large() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let head = "POST /whole HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    for size in ["f0000000000000003", "-2", "0x2"] {
        let wire = Wire::exchange(&server, &format!("{head}{size}\r\ndata\r\n0\r\n\r\n")).await;
        assert_eq!(wire.status, 400, "{size}: {wire:?}");
    }
}

#[tokio::test]
async fn the_limits_are_kept_in_process_as_well() {
    let app = guests().await.unwrap();
    for fields in [fields(101, 1), fields(1, 70_000)] {
        let mut request = Request::get("/whole").body(Body::empty()).unwrap();
        request.headers_mut().extend(fields);
        assert_eq!(app.request(request).await.status(), 431);
    }
    let body = Body::from("data").with_trailers(fields(101, 1));
    assert_eq!(app.request(Request::post("/trailers").body(body).unwrap()).await.status(), 431);
}
