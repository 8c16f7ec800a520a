//! The framing that a request head declares.

use wayside_harness::Harness;
use wayside_harness::http::{Request, Version};

use super::super::fixture::{Wire, example, guests};

/// Sends a request with these headers and an empty chunked body. Returns the response and the component. The request
/// does not ask to close the connection, so this returns only if the server closes it anyway.
async fn answer(version: &str, fields: &str) -> (Wire, Harness) {
    let app = example("hello").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = format!("POST / {version}\r\nhost: a.test\r\n{fields}\r\n0\r\n\r\n");
    (Wire::exchange(&server, &request).await, app)
}

#[tokio::test]
async fn a_transfer_coding_that_is_not_known_is_501_and_ends_the_connection() {
    for fields in [
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: deflate;q=1, Chunked\r\n",
        "transfer-encoding: identity, chunked\r\n",
    ] {
        let (wire, app) = answer("HTTP/1.1", fields).await;
        assert_eq!(wire.status, 501, "{fields}");
        assert_eq!(wire.field("content-type"), ["application/problem+json"], "{fields}");
        assert_eq!(wire.field("connection"), ["close"], "{fields}");
        assert!(wire.whole_text().contains("chunked"), "{wire:?}");
        assert_eq!((app.requests(), app.instances()), (1, 0), "{fields}");
    }
}

#[tokio::test]
async fn chunked_twice_is_400_and_ends_the_connection() {
    for fields in [
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked, chunked\r\n",
    ] {
        let (wire, app) = answer("HTTP/1.1", fields).await;
        assert_eq!((wire.status, wire.field("connection")), (400, vec!["close"]), "{fields}");
        assert_eq!((app.requests(), app.instances()), (1, 0), "{fields}");
    }
}

#[tokio::test]
async fn a_transfer_coding_that_does_not_end_with_chunked_is_400_and_ends_the_connection() {
    for coding in ["gzip", "identity", "chunked, gzip", "xchunked", "chunked;x=1", ""] {
        let (wire, app) = answer("HTTP/1.1", &format!("transfer-encoding: {coding}\r\n")).await;
        assert_eq!((wire.status, wire.field("connection")), (400, vec!["close"]), "{coding}");
        assert_eq!(app.instances(), 0, "{coding}");
    }
}

#[tokio::test]
async fn a_transfer_coding_that_is_no_token_is_400_and_ends_the_connection() {
    let (wire, app) = answer("HTTP/1.1", "transfer-encoding: g zip, chunked\r\n").await;
    assert_eq!((wire.status, wire.field("connection")), (400, vec!["close"]));
    assert_eq!(app.instances(), 0);
}

#[tokio::test]
async fn a_transfer_coding_over_http_1_0_is_400_and_ends_the_connection() {
    let (wire, app) = answer("HTTP/1.0", "transfer-encoding: chunked\r\n").await;
    assert_eq!((wire.status, app.instances()), (400, 0), "{wire:?}");
}

#[tokio::test]
async fn chunked_is_known_in_any_case_and_beside_empty_elements() {
    for coding in ["chunked", "Chunked", "CHUNKED", ", chunked"] {
        let fields = format!("transfer-encoding: {coding}\r\nconnection: close\r\n");
        assert_eq!(answer("HTTP/1.1", &fields).await.0.status, 200, "{coding}");
    }
}

/// RFC 9112, section 6.3: the transfer coding overrides the `content-length`, and the server closes the connection.
#[tokio::test]
async fn a_content_length_beside_chunked_is_not_believed_and_ends_the_connection() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for fields in
        ["content-length: 1\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\ncontent-length: 1\r\n"]
    {
        let request = format!("POST /whole HTTP/1.1\r\nhost: a.test\r\n{fields}\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(Wire::exchange(&server, &request).await.whole_text(), "abc", "{fields}");
    }
}

#[tokio::test]
async fn a_content_length_that_is_no_single_number_is_400_and_ends_the_connection() {
    for fields in ["content-length: x\r\n", "content-length: +1\r\n", "content-length: 1\r\ncontent-length: 2\r\n"] {
        let (wire, app) = answer("HTTP/1.1", fields).await;
        assert_eq!((wire.status, app.instances()), (400, 0), "{fields}");
    }
}

#[tokio::test]
async fn the_framing_is_checked_in_process_as_well() {
    let app = example("hello").await.unwrap();
    for (version, name, values, status) in [
        (Version::HTTP_11, "transfer-encoding", &["gzip, chunked"][..], 501),
        (Version::HTTP_11, "transfer-encoding", &["gzip", "chunked"], 501),
        (Version::HTTP_11, "transfer-encoding", &["chunked, chunked"], 400),
        (Version::HTTP_11, "transfer-encoding", &["gzip"], 400),
        (Version::HTTP_11, "transfer-encoding", &["identity"], 400),
        (Version::HTTP_11, "transfer-encoding", &[""], 400),
        (Version::HTTP_11, "transfer-encoding", &["Chunked"], 200),
        (Version::HTTP_10, "transfer-encoding", &["chunked"], 400),
        (Version::HTTP_2, "transfer-encoding", &["chunked"], 400),
        (Version::HTTP_11, "content-length", &["x"], 400),
        (Version::HTTP_11, "content-length", &["1", "2"], 400),
    ] {
        let mut request = Request::post("/").version(version);
        for value in values {
            request = request.header(name, *value);
        }
        let response = app.request(request.body(()).unwrap()).await;
        assert_eq!(response.status(), status, "{version:?} {name} {values:?}");
    }
}

/// The server ignores chunk extensions. RFC 9112, section 7.1.1, asks it to limit their length.
#[tokio::test]
async fn chunk_extensions_beyond_the_limit_are_400_and_are_no_trailers() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let head = "POST /whole HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    for (bytes, expected) in [(1000, 200), (20_000, 400)] {
        let request = format!("{head}5;x={}\r\nhello\r\n0\r\n\r\n", "v".repeat(bytes));
        let wire = Wire::exchange(&server, &request).await;
        assert_eq!(wire.status, expected, "{wire:?}");
        assert!(!wire.whole_text().contains("trailers"), "{wire:?}");
    }
}
