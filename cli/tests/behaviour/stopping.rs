//! What a server waits for before it stops.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use wayside_harness::http::Response;
use wayside_harness::{Body, Outbound};

use super::fixture::{Wire, eventually, guests, within};

/// An upstream that answers a call for each permit of `gate`.
fn gated(gate: &std::sync::Arc<Semaphore>) -> Outbound {
    let gate = std::sync::Arc::clone(gate);
    Outbound::from_fn(move |_| {
        let gate = std::sync::Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Response::new(Body::empty()))
        }
    })
}

#[tokio::test]
async fn a_server_waits_for_work_after_the_response() {
    let gate = std::sync::Arc::new(Semaphore::new(0));
    let app = guests().env("UPSTREAM", "http://up.test").outbound(gated(&gate)).await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    assert_eq!(Wire::get(&server, "/work-after").await.whole_text(), "answered\n");
    let mut shutdown = Box::pin(server.shutdown());
    for _ in 0..20 {
        assert!(shutdown.as_mut().now_or_never().is_none(), "the server did not wait");
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    within("the end of the server", shutdown).await;
    assert_eq!(app.log_text(), "the work was done\n");
}

#[tokio::test]
async fn a_server_waits_for_work_no_longer_than_it_may() {
    let gate = std::sync::Arc::new(Semaphore::new(0));
    let app = guests().env("UPSTREAM", "http://up.test").outbound(gated(&gate)).await.unwrap();
    let server = app.serve("127.0.0.1:0").drain_timeout(Duration::from_millis(100)).await.unwrap();
    assert_eq!(Wire::get(&server, "/work-after").await.whole_text(), "answered\n");
    within("the end of the server", server.shutdown()).await;
    assert_eq!(app.log_text(), "", "the work goes on");
    gate.add_permits(1);
    app.idle().await;
}

#[tokio::test]
async fn a_server_does_not_wait_for_clients_that_send_nothing() {
    use tokio::io::AsyncWriteExt as _;

    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").drain_timeout(Duration::from_secs(3600)).await.unwrap();
    let mut clients = Vec::new();
    for start in
        [&b""[..], b"GET / HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b"POST /whole HTTP/1.1\r\n"]
    {
        let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(start).await.unwrap();
        clients.push(stream);
    }
    let mut started = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    started.write_all(b"GET /sleep HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    eventually("the connections are accepted", || app.requests() == 1).await;
    within("the end of the server", server.shutdown()).await;
}
