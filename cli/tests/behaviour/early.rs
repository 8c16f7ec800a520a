//! Responses that are complete before the request body has arrived, and clients that close their side after the
//! request.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wayside_harness::Limits;

use super::fixture::{Wire, guests, read_head, within};
use super::frames::{DATA, Frames, RST_STREAM};

/// The size of the uploads: more than the buffers between client and server hold.
const UPLOAD: usize = 16 * 1024 * 1024;

/// Paths with early responses, and their statuses. In this order: the body exceeds a limit of the SDK, or one of the
/// harness; the handler reads nothing of it, or a part; the handler panics.
const EARLY: [(&str, u16); 5] =
    [("/limited", 413), ("/whole", 413), ("/sleep", 200), ("/half-read/request", 200), ("/panic-before-head", 500)];

/// Sends the whole request before it reads anything, and then returns the response.
async fn send_then_read(addr: SocketAddr, path: &str, is_chunked: bool) -> Wire {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let framing =
        if is_chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {UPLOAD}") };
    let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{framing}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..UPLOAD / piece.len() {
        if is_chunked {
            stream.write_all(b"10000\r\n").await.expect("the server reads on");
        }
        stream.write_all(&piece).await.expect("the server reads on");
        if is_chunked {
            stream.write_all(b"\r\n").await.expect("the server reads on");
        }
    }
    if is_chunked {
        stream.write_all(b"0\r\n\r\n").await.expect("the server reads on");
    }
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.expect("the connection is not reset");
    Wire::parse(&all)
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_sends_all_before_it_reads() {
    for (path, status) in EARLY {
        let limits = if path == "/whole" { Limits::default().body_bytes(1000) } else { Limits::default() };
        let app = guests().limits(limits).await.unwrap();
        let server = app.serve("127.0.0.1:0").await.unwrap();
        for is_chunked in [false, true].repeat(5) {
            let wire = within("an answer", send_then_read(server.addr(), path, is_chunked)).await;
            assert_eq!(wire.status, status, "{path}: {wire:?}");
            assert!(wire.body().1, "{path}: {wire:?}");
        }
    }
}

#[tokio::test]
async fn an_upload_that_never_ends_is_cut_after_its_early_answer() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"POST /sleep HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = [b"40000\r\n", &vec![b'x'; 256 * 1024][..], b"\r\n"].concat();
    let mut sent = 0_u64;
    within("the end of the connection", async {
        while stream.write_all(&chunk).await.is_ok() {
            sent += chunk.len() as u64;
            assert!(sent < 2 << 30, "the server reads for ever");
        }
    })
    .await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(Wire::parse(&answer).status, 200);
}

#[tokio::test]
async fn an_upload_that_stops_after_its_early_answer_ends_the_connection() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").client_timeout(Duration::from_millis(300)).await.unwrap();
    let request = "POST /sleep HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nonly this";
    let wire = within("the end of the connection", Wire::exchange(&server, request)).await;
    assert_eq!((wire.status, wire.body().1), (200, true), "{wire:?}");
}

#[tokio::test]
async fn a_body_that_is_expected_to_be_asked_for_is_not_asked_for() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for (path, status) in [("/limited", 413), ("/sleep", 200), ("/panic-before-head", 500)] {
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\nexpect: 100-continue\r\n\r\n");
        let wire = within("an answer", Wire::exchange(&server, &head)).await;
        assert_eq!(wire.status, status, "{wire:?}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_after_an_upload_that_nobody_read() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    for _ in 0..3 {
        let head = format!("POST /sleep HTTP/1.1\r\nhost: test\r\ncontent-length: {UPLOAD}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; UPLOAD]).await.unwrap();
        let head = within("an answer", read_head(&mut stream)).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("connection: close"), "{head}");
        stream.read_exact(&mut [0; "quick slow ".len()]).await.unwrap();
    }
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for (request, answer) in [
        ("GET /sleep HTTP/1.1\r\nhost: test\r\n\r\n", "quick slow "),
        ("GET /sleep HTTP/1.0\r\n\r\n", "quick slow "),
        ("POST /whole HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhello", "hello"),
        ("POST /back HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
    ] {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut all = Vec::new();
        within("the answer", stream.read_to_end(&mut all)).await.unwrap();
        assert!(!all.is_empty(), "{request}: nothing came");
        let (body, is_whole) = Wire::parse(&all).body();
        assert!(is_whole, "{request}");
        // Compares lengths only, because `/sleep` may name its two sleeps in either order.
        assert_eq!(body.len(), answer.len(), "{request}: {}", String::from_utf8_lossy(&body));
    }
}

#[tokio::test]
async fn a_stream_of_http2_is_not_reset_where_a_body_was_not_read() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for (path, status) in [("/limited", 413), ("/sleep", 200), ("/panic-before-head", 500), ("/status/204", 204)] {
        for number in 0..10 {
            let mut frames = Frames::connect(server.addr(), 65_535).await;
            frames.request(1, path, true).await;
            for _ in 0..3 {
                frames.data(1, &[b'x'; 16 * 1024], false).await;
            }
            let mut answer = Vec::new();
            if number % 2 == 0 {
                frames.data(1, b"the end", true).await;
            }
            answer.extend(frames.until_end(1).await);
            if number % 2 == 1 {
                frames.data(1, b"the end", true).await;
            }
            answer.extend(frames.until_ping().await);
            assert_eq!(answer[0].status(), status, "{path}");
            assert!(answer.iter().all(|frame| frame.kind != RST_STREAM), "{path}: {answer:?}");
            assert!(answer.iter().any(super::frames::Frame::ends_stream), "{path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_large_response_of_http2_arrives_whole_beside_an_unread_upload() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut frames = Frames::connect(server.addr(), 65_535).await;
    frames.request(1, "/back", true).await;
    for _ in 0..3 {
        frames.data(1, &[b'x'; 16 * 1024], false).await;
    }
    frames.data(1, b"", true).await;
    let answer = frames.until_end(1).await;
    let bytes: usize = answer.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum();
    assert_eq!(bytes, 48 * 1024);
}
