//! The HTTP server in front of a component.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::fixture::{Wire, eventually, example, guests};

#[tokio::test]
async fn a_request_without_host_is_400() {
    let app = example("hello").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for request in [
        "GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n",
    ] {
        let wire = Wire::exchange(&server, request).await;
        assert_eq!(wire.status, 400, "{request}");
        assert_eq!(wire.field("content-type"), ["application/problem+json"]);
    }
}

#[tokio::test]
async fn an_upgrade_is_501_with_a_reason() {
    let app = example("hello").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n";
    let wire = Wire::exchange(&server, request).await;
    assert_eq!(wire.status, 501);
    assert!(wire.whole_text().contains("wasi:http has none"), "{wire:?}");
    assert_eq!((app.requests(), app.instances()), (1, 0), "it is counted, and the component does not see it");
}

#[tokio::test]
async fn an_offer_of_http2_may_be_left_alone() {
    let app = example("hello").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n";
    assert_eq!(Wire::exchange(&server, request).await.status, 200);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let app = example("hello").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"Hello from Wayside!\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_running_request_is_finished_before_the_server_stops() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"GET /sleep HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    // The request is in progress once the harness counts it.
    let started = || app.requests() == 1;
    eventually("the request starts", started).await;
    server.shutdown().await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("quick slow "), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_named_with_the_way_out() {
    let app = example("hello").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let error = app.serve(server.addr().to_string()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on `{}`", server.addr()));
    assert!(error.help().unwrap().contains("choose another port"));
}

#[tokio::test]
async fn two_hosts_are_400_beside_an_absolute_target_as_well() {
    let app = example("hello").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "GET http://a.test/ HTTP/1.1\r\nhost: a.test\r\nhost: b.test\r\nconnection: close\r\n\r\n";
    assert_eq!(Wire::exchange(&server, request).await.status, 400);
}

#[tokio::test]
async fn a_dropped_server_ends_its_connections() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut start = [0; 16];
    stream.read_exact(&mut start).await.unwrap();
    drop(server);
    // If the server did not close the connection, this would read forever.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}
