//! Clients that go idle before a request, in their upload, or instead of reading the response.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wayside_harness::{ClientFault, Event, Exchange, Harness, Limits, Server};

use super::fixture::{Wire, get, guests, read_head, within};
use super::frames::{Frames, GOAWAY, PING, RST_STREAM};

/// The time limit for idle clients in these tests.
const LIMIT: Duration = Duration::from_millis(300);

async fn serve(app: &Harness) -> Server {
    app.serve("127.0.0.1:0").client_timeout(LIMIT).await.unwrap()
}

/// Sends bytes, waits for the end of the connection, and returns the received bytes.
async fn until_closed(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    // Ignores an error, because a reset closes the connection too.
    let _ = within("the end of the connection", stream.read_to_end(&mut all)).await;
    all
}

/// Waits until a request ends, and returns its record.
async fn finished(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Exchange {
    within("the end of the request", async {
        loop {
            if let Event::Finished(exchange) = events.recv().await.unwrap() {
                return *exchange;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_without_a_whole_head_is_closed() {
    let app = guests().await.unwrap();
    let server = serve(&app).await;
    for bytes in [&b""[..], b"PRI * HTTP/2", b"GET / HTTP/1.1\r\nho", b"\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        until_closed(&server, bytes).await;
    }
    assert_eq!(app.requests(), 0);
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_closed() {
    let app = guests().await.unwrap();
    let server = serve(&app).await;
    let (mut reader, mut writer) = TcpStream::connect(server.addr()).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(b"GET / HTTP/1.1\r\nx-long: ").await;
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(LIMIT / 10).await;
        }
    });
    let _ = within("the end of the connection", reader.read_to_end(&mut Vec::new())).await;
    drop(reader);
    within("the end of the writing", writing).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_kept_is_closed_after_a_while() {
    let app = guests().await.unwrap();
    let server = serve(&app).await;
    let all = until_closed(&server, b"GET /sleep HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(Wire::parse(&all).status, 200);
}

#[tokio::test]
async fn a_connection_of_http2_without_a_stream_is_told_to_go_away() {
    let app = guests().await.unwrap();
    let server = serve(&app).await;
    for (has_request, pings) in [(false, 0), (false, 5), (true, 0), (true, 5)] {
        let mut frames = Frames::connect(server.addr(), 65_535).await;
        if has_request {
            frames.request(1, "/sleep", false).await;
            assert_eq!(frames.until_end(1).await[0].status(), 200);
        }
        for _ in 0..pings {
            frames.send(PING, 0, 0, &[1; 8]).await;
        }
        let mut kinds = Vec::new();
        while let Some(frame) = frames.next().await {
            kinds.push(frame.kind);
        }
        assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    }
}

#[tokio::test]
async fn a_component_may_take_longer_than_its_client() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").client_timeout(Duration::from_millis(1)).await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"GET /sleep HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_loses_its_place() {
    let app = guests().limits(Limits::default().concurrency(1)).await.unwrap();
    let mut events = app.events();
    let server = serve(&app).await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    read_head(&mut stream).await;
    assert_eq!(app.request(get("/sleep")).await.status(), 200);
    assert_eq!(finished(&mut events).await.client_fault, Some(ClientFault::StoppedReading(LIMIT)));
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    assert!(app.log_text().contains("writer stopped: closed=true"), "{}", app.log_text());
}

#[tokio::test]
async fn a_stream_of_http2_whose_window_stays_closed_loses_its_place() {
    for window in [0, 1000, 65_535] {
        let app = guests().limits(Limits::default().concurrency(1)).await.unwrap();
        let mut events = app.events();
        let server = serve(&app).await;
        let mut frames = Frames::connect(server.addr(), window).await;
        frames.request(1, "/endless", false).await;
        let answer = frames.until_end(1).await;
        assert_eq!(answer[0].status(), 200);
        assert_eq!(answer.last().unwrap().kind, RST_STREAM, "window {window}");
        assert_eq!(finished(&mut events).await.client_fault, Some(ClientFault::StoppedReading(LIMIT)));
        // Only the stream is reset: the connection stays open.
        frames.request(3, "/no-such-behaviour", false).await;
        assert_eq!(app.request(get("/sleep")).await.status(), 200);
        assert!(app.traps().is_empty(), "{:?}", app.traps());
    }
}

#[tokio::test]
async fn an_upload_that_pauses_is_408_and_the_fault_of_its_client() {
    let app = guests().await.unwrap();
    let server = serve(&app).await;
    for framing in ["content-length: 100\r\n\r\nonly this", "transfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n"] {
        let mut events = app.events();
        let request = format!("POST /whole HTTP/1.1\r\nhost: test\r\n{framing}");
        let wire = within("an answer", Wire::exchange(&server, &request)).await;
        assert_eq!(wire.status, 408, "{wire:?}");
        assert_eq!(wire.field("connection"), ["close"]);
        let exchange = finished(&mut events).await;
        assert_eq!(exchange.client_fault, Some(ClientFault::PausedUpload(LIMIT)));
        assert_eq!((exchange.status.unwrap().as_u16(), exchange.trap), (408, None));
    }
}

#[tokio::test]
async fn an_upload_over_http2_that_pauses_is_408() {
    let app = guests().await.unwrap();
    let mut events = app.events();
    let server = serve(&app).await;
    let mut frames = Frames::connect(server.addr(), 65_535).await;
    frames.request(1, "/whole", true).await;
    frames.data(1, b"only this", false).await;
    assert_eq!(frames.until_end(1).await[0].status(), 408);
    assert_eq!(finished(&mut events).await.client_fault, Some(ClientFault::PausedUpload(LIMIT)));
}

#[tokio::test]
async fn an_upload_that_is_late_for_its_component_is_408_and_no_trap() {
    let app = guests().limits(Limits::default().timeout(LIMIT)).await.unwrap();
    let mut events = app.events();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "POST /whole HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 100\r\n\r\nonly this";
    let wire = within("an answer", Wire::exchange(&server, request)).await;
    assert_eq!(wire.status, 408, "{wire:?}");
    assert_eq!(finished(&mut events).await.client_fault, Some(ClientFault::SlowUpload(LIMIT)));
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_component_that_does_not_read_a_paused_upload_is_late_itself() {
    let app = guests().limits(Limits::default().timeout(LIMIT)).await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "POST /spin HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 100\r\n\r\nonly this";
    let wire = within("an answer", Wire::exchange(&server, request)).await;
    assert_eq!((wire.status, app.traps().len()), (504, 1), "{wire:?}");
}

#[tokio::test]
async fn an_upload_that_pauses_after_the_head_cuts_its_echo() {
    let app = guests().await.unwrap();
    let mut events = app.events();
    let server = serve(&app).await;
    let request = "POST /back HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nonly this";
    let wire = within("the end of the connection", Wire::exchange(&server, request)).await;
    assert_eq!((wire.status, wire.cut_text().as_str()), (200, "only this"));
    assert_eq!(finished(&mut events).await.client_fault, Some(ClientFault::PausedUpload(LIMIT)));
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}
